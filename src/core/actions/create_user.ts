// Creating a user, with its event.
import type { Db } from '../store/db.ts';
import { requireGivable } from '../users/authority.ts';
import { createUser, type NewUser } from '../users/user_changes.ts';
import type { User } from '../users/users.ts';
import { type Initiator, recordEventOf } from './initiator.ts';

/** Creates a user and records `user_created`; refuses with `username_taken`, `email_taken` and `right_missing`. */
export async function addUser(db: Db, initiator: Initiator, input: NewUser): Promise<User> {
  return await db.transaction(async (tx) => {
    const { roles = [], permissions = [], tenant_id = null } = input;
    requireGivable(initiator.authority, { roles, permissions, tenant_id }, null);
    const created = await createUser(tx, input);
    await recordEventOf(tx, initiator, { type: 'user_created', user_id: created.id });
    return created;
  });
}
