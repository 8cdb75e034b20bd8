// Creating a user, with its event.
import { AppError } from '../../lib/errors.ts';
import { isAddressReserved } from '../one_time_codes/reserved_addresses.ts';
import type { Db } from '../store/db.ts';
import { requireGivable } from '../users/authority.ts';
import { changeClaims } from '../users/profile_claims.ts';
import { createUser, type NewUser } from '../users/user_changes.ts';
import type { User } from '../users/users.ts';
import { type Initiator, recordEventOf } from './initiator.ts';

/** A user whom an administrator creates; `claims` is what the request says. */
export type AddedUser = Omit<NewUser, 'claims'> & { claims?: unknown };

/**
 * Creates a user on behalf of an administrator and records `user_created`, with `email_verified` where the administrator vouches for the
 * address. Refuses with `username_taken`, `email_taken` (also while another user can undo a change that gave the address away),
 * `right_missing` and `invalid_claims`.
 */
export async function addUser(db: Db, initiator: Initiator, input: AddedUser): Promise<User> {
  const claims = input.claims === undefined ? null : changeClaims(null, input.claims, 'admin');
  return await db.transaction(async (tx) => {
    const { roles = [], permissions = [], tenant_id = null } = input;
    requireGivable(initiator.authority, { roles, permissions, tenant_id }, null);
    const created = await createUser(tx, { ...input, claims });
    if (created.email && (await isAddressReserved(tx, created.email))) throw new AppError('email_taken');
    const detail = created.email === null ? null : { email_verified: created.email_verified_at !== null };
    await recordEventOf(tx, initiator, { type: 'user_created', user_id: created.id, detail });
    return created;
  });
}
