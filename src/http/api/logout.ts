// Logging out: the caller's current session, another one, or all of them.
import { z } from 'zod';
import { endAllSessions } from '../../core/sessions/end_many.ts';
import { endSession } from '../../core/sessions/end_sessions.ts';
import { clearPushToken } from '../../core/sessions/push_tokens.ts';
import { findUserSession, type ListedSession } from '../../core/sessions/session_list.ts';
import type { Db } from '../../core/store/db.ts';
import { pushToken } from '../../core/users/devices.ts';
import { AppError } from '../../lib/errors.ts';
import { type ApiRequest, id, route } from './routes.ts';

const logout = z
  .strictObject({
    session_id: id.optional().describe('which session to end; the current one when absent'),
    logout_all: z.boolean().optional().describe('end all of my sessions'),
    push_token: pushToken
      .optional()
      .describe('a push token to remove from my devices, also where another session on the device is live'),
  })
  .refine((body) => !(body.session_id && body.logout_all), 'session_id and logout_all exclude each other')
  .meta({
    id: 'Logout',
    not: {
      required: ['session_id', 'logout_all'],
      properties: { session_id: true, logout_all: { const: true } },
    },
  });

export const logoutRoutes = [
  route({
    method: 'post',
    path: '/logout',
    auth: 'user',
    summary: 'Log out: the current session, another one, or all',
    body: logout,
    response: z.object({ sessions_ended: z.number().int() }).meta({ id: 'LogoutResult' }),
    errors: ['session_not_found'],
    handler: async (request) => ({ sessions_ended: await logOut(request, request.body) }),
  }),
];

async function logOut(request: ApiRequest, body: z.output<typeof logout>): Promise<number> {
  const { deps, caller, actor } = request;
  // First: once the session has ended, the caller cannot try again.
  if (body.push_token !== undefined) await clearPushToken(deps.db, caller.sub, body.push_token);
  if (!body.logout_all) return await endMySession(request, body.session_id ?? caller.sid);
  return await endAllSessions(deps.db, caller.sub, { ...actor, reason: 'logout_all' });
}

/** Ends one session of the caller and returns how many ended: 0 when it had ended already. */
export async function endMySession({ deps, caller, actor }: ApiRequest, session_id: string): Promise<number> {
  await requireMySession(deps.db, caller.sub, session_id);
  const reason = session_id === caller.sid ? 'logout' : 'ended_by_user';
  return (await endSession(deps.db, session_id, { ...actor, reason })) ? 1 : 0;
}

/** A session of the caller; refuses with `session_not_found`. */
export async function requireMySession(db: Db, user_id: string, session_id: string): Promise<ListedSession> {
  const found = await findUserSession(db, user_id, session_id);
  if (!found) throw new AppError('session_not_found');
  return found;
}
