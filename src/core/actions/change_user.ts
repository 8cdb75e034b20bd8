// Changing a user's names and rights, with the event: by an administrator, or by the user.
import type { Knex } from 'knex';
import { AppError } from '../../lib/errors.ts';
import type { RequestSource } from '../request_source.ts';
import type { Db } from '../store/db.ts';
import { requireAnotherAdmin } from '../users/administrators.ts';
import { requireAuthorityOver, requireGivable } from '../users/authority.ts';
import { holdsRight, rightsOf } from '../users/rights.ts';
import { raiseTokenVersion, type UserChange, updateUser } from '../users/user_changes.ts';
import { findUser, lockUser, type User } from '../users/users.ts';
import { type Initiator, recordEventOf } from './initiator.ts';

/**
 * Changes a user on behalf of an administrator. Access tokens that carry other rights become inactive. Refuses with
 * `user_not_found`, `username_taken`, `email_taken`, `last_admin`, `right_missing`, `insufficient_user_authentication`, and with
 * `not_yourself` where administrators would take a right from themselves.
 */
export async function changeUser(
  db: Db,
  id: string,
  change: UserChange,
  initiator: Initiator,
): Promise<User> {
  return await db.transaction((tx) => changeInTransaction(tx, id, change, initiator));
}

async function changeInTransaction(
  tx: Knex.Transaction,
  id: string,
  change: UserChange,
  initiator: Initiator,
): Promise<User> {
  const { roles, permissions, tenant_id } = change;
  if (roles && !roles.includes('admin')) await requireAnotherAdmin(tx, id);
  const before = await lockUser(tx, id);
  if (!before || before.status === 'deleted') throw new AppError('user_not_found');
  requireAllowed(initiator, before, change);
  await updateUser(tx, id, change);
  // Access tokens carry these claims, and must not outlive the change with the old ones.
  if (roles || permissions || tenant_id !== undefined) await raiseTokenVersion(tx, id);
  const detail = { changed: Object.keys(change), ...(roles ? { roles } : {}) };
  await recordEventOf(tx, initiator, { type: 'user_updated', user_id: id, detail });
  const user = await findUser(tx, id);
  if (!user) throw new AppError('user_not_found');
  return user;
}

function requireAllowed({ actor_id, authority }: Initiator, before: User, change: UserChange): void {
  requireAuthorityOver(authority, before);
  const { roles, permissions, tenant_id } = change;
  const after = {
    roles: roles ?? before.roles,
    permissions: permissions ?? before.permissions,
    tenant_id: tenant_id === undefined ? before.tenant_id : tenant_id,
  };
  requireGivable(authority, after, before);
  const left = rightsOf(after);
  if (actor_id === before.id && rightsOf(before).some((right) => !holdsRight(left, right)))
    throw new AppError('not_yourself');
}

/**
 * Changes what users may change of themselves: the username. Refuses with `username_taken`, and with `invalid_token` when
 * the user has been deleted meanwhile.
 */
export async function changeOwnProfile(
  db: Db,
  user_id: string,
  change: { username?: string | undefined },
  source: RequestSource,
): Promise<User> {
  return await db.transaction(async (tx) => {
    const { username } = change;
    const user = await updateUser(tx, user_id, { username });
    if (!user) throw new AppError('invalid_token');
    const detail = { changed: username === undefined ? [] : ['username'] };
    const initiator = { actor: 'user', actor_id: user_id, source } as const;
    await recordEventOf(tx, initiator, { type: 'user_updated', user_id, detail });
    return user;
  });
}
