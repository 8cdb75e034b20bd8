// Administration of a user's status: ban, disable, delete and their undoing; and the end of all sessions of a user.
import { z } from 'zod';
import { changeUserStatus, logOutUser, type StatusChange } from '../../../core/actions/user_status.ts';
import type { UserStatus } from '../../../core/users/users.ts';
import { AppError } from '../../../lib/errors.ts';
import { id, route } from '../routes.ts';
import { user } from './users.ts';

const reason = z.string().min(1).max(500);

const shared = { auth: 'admin', params: { id } } as const;

export const adminUserStatusRoutes = [
  // Not a disabled one: they would be active again when the ban ends.
  statusRoute(
    'ban',
    'banned',
    ['active', 'banned'],
    'Ban a user, for ever or until a time; ends their sessions',
    {
      expires_at: z.iso.datetime().optional().describe('when the ban ends by itself'),
      message: reason.optional().describe('what the user is told once they have proved who they are'),
    },
  ),
  statusRoute('unban', 'active', ['active', 'banned'], 'Lift a ban'),
  statusRoute(
    'disable',
    'disabled',
    ['active', 'banned', 'disabled'],
    'Disable a user; ends their sessions',
    { message: reason.optional() },
  ),
  statusRoute('enable', 'active', ['active', 'disabled'], 'Enable a user again'),
  statusRoute(
    'delete',
    'deleted',
    ['active', 'banned', 'disabled'],
    'Delete a user: ends their sessions, forgets what is personal, frees the names',
  ),
  route({
    ...shared,
    method: 'post',
    path: '/admin/users/:id/force-logout',
    summary: 'End all sessions of a user',
    body: z.strictObject({ reason }).meta({ id: 'ForceLogout' }),
    response: z.object({ sessions_ended: z.number().int() }).meta({ id: 'ForceLogoutResult' }),
    errors: ['user_not_found'],
    handler: async ({ deps, params, body, actor }) => ({
      sessions_ended: await logOutUser(deps.db, params.id, { ...actor, reason: body.reason }),
    }),
  }),
];

function statusRoute(
  verb: string,
  to: UserStatus,
  from: UserStatus[],
  summary: string,
  extra: z.ZodRawShape = {},
) {
  const name = verb.charAt(0).toUpperCase() + verb.slice(1);
  const body = z.strictObject({ reason: to === 'active' ? reason.optional() : reason, ...extra });
  return route({
    ...shared,
    method: 'post',
    path: `/admin/users/:id/${verb}`,
    summary,
    body: body.meta({ id: `${name}User` }),
    response: z.object({ user, sessions_ended: z.number().int() }).meta({ id: `${name}Result` }),
    errors: [
      'user_not_found',
      'wrong_status',
      ...(to === 'active' ? [] : (['not_yourself', 'last_admin'] as const)),
    ],
    handler: async ({ deps, params, body: given, actor }) => {
      const {
        reason: why,
        message,
        expires_at,
      } = given as { reason?: string; message?: string; expires_at?: string };
      if (expires_at && Date.parse(expires_at) <= deps.clock.now()) {
        throw new AppError('invalid_request', 'expires_at: must be in the future');
      }
      const asked: StatusChange = {
        status: to,
        from,
        reason: why ?? null,
        message: message ?? null,
        ban_expires_at: expires_at ? new Date(expires_at) : null,
        ...actor,
      };
      const { user: changed, ended } = await changeUserStatus(deps.db, params.id, asked);
      return { user: changed, sessions_ended: ended };
    },
  });
}
