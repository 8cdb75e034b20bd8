// The caller deletes the own account.
import { z } from 'zod';
import { deleteSelf } from '../../core/actions/delete_self.ts';
import { requireRecentLogin } from '../../core/users/recent_login.ts';
import { route } from './routes.ts';

const selfDeletion = z
  .strictObject({
    current_password: z
      .string()
      .optional()
      .describe('required of a user who has a password; any other one must have logged in within 15 minutes'),
  })
  .meta({ id: 'SelfDeletion' });

export const myDeletionRoutes = [
  route({
    method: 'post',
    path: '/me/delete',
    auth: 'user',
    summary: 'Delete my account: ends all sessions and erases my personal data; nothing brings it back',
    status: 204,
    body: selfDeletion,
    errors: ['invalid_credentials', 'last_admin', 'rate_limited', 'insufficient_user_authentication'],
    handler: async ({ deps, caller, body, actor: { source } }) =>
      await deleteSelf(deps, {
        user_id: caller.sub,
        asker: { session_id: caller.sid },
        current_password: body.current_password,
        requireRecentLogin: () => requireRecentLogin(deps.clock, caller.auth_time),
        source,
      }),
  }),
];
