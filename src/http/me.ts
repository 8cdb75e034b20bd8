// The caller's own profile.
import { z } from 'zod';
import { recordEvents } from '../core/audit.ts';
import { email, username } from '../core/names.ts';
import { changePassword } from '../core/password_change.ts';
import { findUser, type User, updateUser } from '../core/users.ts';
import { AppError } from '../lib/errors.ts';
import { moment, route } from './routes.ts';

const profile = z
  .object({
    id: z.uuid(),
    username: z.string(),
    email: z.string().nullable(),
    roles: z.array(z.string()),
    permissions: z.array(z.string()),
    tenant_id: z.string().nullable(),
    last_login_at: moment.nullable(),
    created_at: moment,
  })
  .meta({ id: 'Profile' });

const change = z
  .strictObject({ username: username.optional(), email: email.nullable().optional() })
  .meta({ id: 'ProfileChange' });

const passwordChange = z
  .strictObject({ current_password: z.string(), new_password: z.string() })
  .meta({ id: 'PasswordChange' });

export const meRoutes = [
  route({
    method: 'get',
    path: '/me',
    auth: 'user',
    summary: 'Read my profile',
    response: profile,
    handler: async ({ services, caller }) => await requireUser(findUser(services.db, caller.sub)),
  }),
  route({
    method: 'patch',
    path: '/me',
    auth: 'user',
    summary: 'Change my username or e-mail address',
    body: change,
    response: profile,
    errors: ['username_taken', 'email_taken'],
    handler: async ({ services, caller, body, origin }) =>
      await services.db.transaction(async (tx) => {
        const { username, email } = body;
        const user = await requireUser(
          updateUser(tx, caller.sub, {
            ...(username === undefined ? {} : { username }),
            ...(email === undefined ? {} : { email }),
          }),
        );
        await recordEvents(tx, [
          {
            type: 'user_updated',
            user_id: caller.sub,
            actor: 'user',
            actor_id: caller.sub,
            detail: { changed: Object.keys(body) },
            ...origin,
          },
        ]);
        return user;
      }),
  }),
  route({
    method: 'post',
    path: '/me/password',
    auth: 'user',
    summary: 'Change my password; ends every other session, and my access token: refresh to go on',
    body: passwordChange,
    response: z.object({ sessions_ended: z.number().int() }).meta({ id: 'PasswordChangeResult' }),
    errors: ['weak_password', 'invalid_credentials', 'password_not_set', 'rate_limited'],
    handler: async ({ services, caller, body, origin }) => ({
      sessions_ended: await changePassword(services, {
        user_id: caller.sub,
        asker: { session_id: caller.sid },
        ...body,
        origin,
      }),
    }),
  }),
];

// The guard has just seen the user; only a deletion in between gets here.
async function requireUser(found: Promise<User | null>): Promise<User> {
  const user = await found;
  if (!user) throw new AppError('invalid_token');
  return user;
}
