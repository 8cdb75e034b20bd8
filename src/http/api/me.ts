// The caller's own profile.
import { z } from 'zod';
import { changeOwnProfile } from '../../core/actions/change_user.ts';
import { changePassword } from '../../core/actions/password_change.ts';
import { withLimit } from '../../core/limits/attempts.ts';
import { findPendingAddress } from '../../core/one_time_codes/pending_address.ts';
import { newPassword } from '../../core/passwords/password_policy.ts';
import type { Db } from '../../core/store/db.ts';
import { username } from '../../core/users/names.ts';
import { claimsInRequest } from '../../core/users/profile_claims.ts';
import { findUser, type User } from '../../core/users/users.ts';
import { AppError } from '../../lib/errors.ts';
import { type ApiRequest, dateTime, route } from './routes.ts';

const profile = z
  .object({
    id: z.uuid(),
    username: z.string().nullable(),
    email: z.string().nullable(),
    email_verified: z.boolean(),
    pending_email: z.string().nullable().describe('a new address that waits for its code'),
    claims: z.record(z.string(), z.unknown()).describe('the claims of the profile'),
    has_password: z.boolean(),
    factors: z.array(z.string()).describe('the types of further proofs that a login asks for'),
    roles: z.array(z.string()),
    permissions: z.array(z.string()),
    tenant_id: z.string().nullable(),
    last_login_at: dateTime.nullable(),
    created_at: dateTime,
  })
  .meta({ id: 'Profile' });

// An unproved address would be good for logging in, and readers of the `email` claim would take it for the user's own.
const onlyWithProof = 'is changed by POST /api/me/email, which sends a code to the new address';

const profileChange = z
  .strictObject({
    username: username.optional(),
    claims: claimsInRequest('user').optional(),
    email: z.never({ error: onlyWithProof }).optional().meta({ description: onlyWithProof }),
  })
  .meta({ id: 'ProfileChange' });

type ProfileChange = z.output<typeof profileChange>;

const passwordChange = z
  .strictObject({ current_password: z.string(), new_password: newPassword })
  .meta({ id: 'PasswordChange' });

export const meRoutes = [
  route({
    method: 'get',
    path: '/me',
    auth: 'user',
    summary: 'Read my profile',
    response: profile,
    handler: async ({ deps, caller }) => await profileOf(deps.db, await findUser(deps.db, caller.sub)),
  }),
  route({
    method: 'patch',
    path: '/me',
    auth: 'user',
    summary: 'Change my username (10 attempts an hour) or my profile',
    body: profileChange,
    response: profile,
    errors: ['invalid_claims', 'username_taken', 'rate_limited'],
    handler: changeMyProfile,
  }),
  route({
    method: 'post',
    path: '/me/password',
    auth: 'user',
    summary: 'Change my password; ends my other sessions and my access token: refresh to get a new one',
    body: passwordChange,
    response: z.object({ sessions_ended: z.number().int() }).meta({ id: 'PasswordChangeResult' }),
    errors: ['weak_password', 'invalid_credentials', 'password_not_set', 'rate_limited'],
    handler: async ({ deps, caller, body, actor }) => ({
      sessions_ended: await changePassword(deps, {
        user_id: caller.sub,
        asker: { session_id: caller.sid },
        ...body,
        source: actor.source,
      }),
    }),
  }),
];

// Each attempt reveals whether a username is taken, so attempts are limited.
async function changeMyProfile({
  deps,
  caller,
  body,
  actor: { source },
}: ApiRequest<unknown, unknown, ProfileChange>) {
  const { username, claims } = body;
  const change = async () =>
    await profileOf(deps.db, await changeOwnProfile(deps.db, caller.sub, { username, claims }, source));
  if (username === undefined) return await change();
  return await withLimit(deps.limits.usernameChange, [caller.sub], change);
}

// The guard has just found the user; the user can only have been deleted since.
async function profileOf(db: Db, user: User | null) {
  if (!user) throw new AppError('invalid_token');
  const { app: _app, ...claims } = user.claims ?? {};
  return {
    ...user,
    email_verified: user.email_verified_at !== null,
    pending_email: await findPendingAddress(db, user),
    claims,
    has_password: user.password_hash !== null,
    factors: [],
  };
}
