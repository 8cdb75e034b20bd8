// A user as administrators see it.
import { z } from 'zod';
import type { User } from '../../../core/users/users.ts';
import { dateTime } from '../routes.ts';

export const status = z.enum(['active', 'banned', 'disabled', 'deleted']);

/** The profile in answers to administrators. */
const profile = z.record(z.string(), z.unknown()).describe('the claims of the profile, `app` included');

/** A user as administrators see it; made by {@link userView}. */
export const user = z
  .object({
    id: z.uuid(),
    username: z.string().nullable(),
    email: z.string().nullable(),
    email_verified: z
      .boolean()
      .describe(
        'whether the user proved the address or an administrator vouched for it; else it is good for logging in alone',
      ),
    claims: profile,
    has_password: z.boolean(),
    status,
    status_reason: z.string().nullable(),
    status_message: z.string().nullable(),
    ban_expires_at: dateTime.nullable(),
    roles: z.array(z.string()),
    permissions: z.array(z.string()),
    tenant_id: z.string().nullable(),
    token_version: z.number().int(),
    last_login_at: dateTime.nullable(),
    created_at: dateTime,
    updated_at: dateTime,
  })
  .meta({ id: 'User' });

/** The members of a user that are not columns. */
export function userView(row: User) {
  return {
    ...row,
    email_verified: row.email_verified_at !== null,
    claims: row.claims ?? {},
    has_password: row.password_hash !== null,
  };
}
