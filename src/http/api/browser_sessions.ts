// The caller's logins at our own pages: list and end.
import { z } from 'zod';
import { endBrowserSession, listBrowserSessions } from '../../core/sessions/browser_sessions.ts';
import { AppError } from '../../lib/errors.ts';
import { dateTime, route } from './routes.ts';

const browserSession = z
  .object({
    id: z.string(),
    ip: z.string().nullable(),
    user_agent: z.string().nullable(),
    created_at: dateTime,
    expires_at: dateTime,
  })
  .meta({ id: 'BrowserSession' });

export const browserSessionRoutes = [
  route({
    method: 'get',
    path: '/browser-sessions',
    auth: 'user',
    summary: 'List the browsers in which I am logged in at the login pages, newest first',
    response: z.object({ browser_sessions: z.array(browserSession) }).meta({ id: 'BrowserSessionList' }),
    handler: async ({ deps, caller }) => {
      const found = await listBrowserSessions(deps.db, caller.sub);
      return { browser_sessions: found.map(({ second_id: id, ...rest }) => ({ id, ...rest })) };
    },
  }),
  route({
    method: 'delete',
    path: '/browser-sessions/:id',
    auth: 'user',
    summary: 'Log out in one browser; ends the sessions that were opened in it',
    params: { id: z.string().regex(/^[A-Za-z0-9_-]{43}$/) },
    status: 204,
    errors: ['session_not_found'],
    handler: async ({ deps, caller, params, actor }) => {
      const ending = { ...actor, reason: 'ended_by_user' } as const;
      if (!(await endBrowserSession(deps.db, caller.sub, params.id, ending)))
        throw new AppError('session_not_found');
    },
  }),
];
