// Changing a user's names and rights, with the event: by an administrator, or by the user.
import type { Knex } from 'knex';
import { AppError } from '../../lib/errors.ts';
import { isAddressReserved } from '../one_time_codes/reserved_addresses.ts';
import type { RequestSource } from '../request_source.ts';
import type { Db } from '../store/db.ts';
import { requireAnotherAdmin } from '../users/administrators.ts';
import { requireAuthorityOver, requireGivable } from '../users/authority.ts';
import { addressKey } from '../users/names.ts';
import { changeClaims } from '../users/profile_claims.ts';
import { holdsRight, rightsOf } from '../users/rights.ts';
import { raiseTokenVersion, type UserChange, updateUser } from '../users/user_changes.ts';
import { findUser, lockUser, type User } from '../users/users.ts';
import { returnToAddress, tellReplacedAddress } from './former_addresses.ts';
import { type Initiator, recordEventOf } from './initiator.ts';

/** What an administrator changes of a user; `claims` is a merge patch as the request has it. */
export type AdminChange = Omit<UserChange, 'claims'> & {
  claims?: unknown;
  reason?: string | undefined;
};

/**
 * Changes a user on behalf of an administrator. Access tokens that carry other rights become inactive. With `email_verified` the
 * administrator vouches for the address. Refuses with `user_not_found`, `username_taken`, `email_taken`, `last_admin`, `invalid_claims`,
 * `right_missing`, `insufficient_user_authentication`, with `not_yourself` where administrators would take a right from themselves
 * or change or prove their own address, and with `invalid_request` what would leave the user without a name.
 */
export async function changeUser(
  db: Db,
  id: string,
  change: AdminChange,
  initiator: Initiator,
): Promise<User> {
  return await db.transaction((tx) => changeInTransaction(tx, id, change, initiator));
}

async function changeInTransaction(
  tx: Knex.Transaction,
  id: string,
  { reason, ...change }: AdminChange,
  initiator: Initiator,
): Promise<User> {
  const { roles, permissions, tenant_id } = change;
  if (roles && !roles.includes('admin')) await requireAnotherAdmin(tx, id);
  const before = await lockUser(tx, id);
  if (!before || before.status === 'deleted') throw new AppError('user_not_found');
  requireAllowed(initiator, before, change);
  const written = toUserChange(before, change);
  if (initiator.actor_id === id) requireSameAddress(before, written);
  await updateUser(tx, id, written);
  const { email } = change;
  if (email && (await isAddressReserved(tx, email, id))) throw new AppError('email_taken');
  if (email && written.email_verified) await returnToAddress(tx, id, email);
  // Access tokens carry these claims, and must not outlive the change with the old ones.
  if (roles || permissions || tenant_id !== undefined) await raiseTokenVersion(tx, id);
  const { email_verified } = change;
  const detail = {
    changed: Object.keys(change),
    ...(roles ? { roles } : {}),
    ...(email_verified === undefined ? {} : { email_verified }),
  };
  await recordEventOf(tx, initiator, { type: 'user_updated', user_id: id, reason: reason ?? null, detail });
  const user = await findUser(tx, id);
  if (!user) throw new AppError('user_not_found');
  await tellReplacedAddress(tx, before, user);
  return user;
}

function requireAllowed({ actor_id, authority }: Initiator, before: User, change: AdminChange): void {
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

// Users prove their own address with the current password and a code. Otherwise whoever has stolen an administrator's token would give this
// administrator an address of their own, and recover the account with it.
function requireSameAddress(before: User, { email, email_verified }: UserChange): void {
  const isOther = email !== undefined && addressKey(email ?? '') !== addressKey(before.email ?? '');
  if (isOther || (email_verified && before.email_verified_at === null)) throw new AppError('not_yourself');
}

// A new spelling of the same address stays as proved as it was.
function toUserChange(before: User, { claims, ...change }: Omit<AdminChange, 'reason'>): UserChange {
  const { username = before.username, email = before.email, email_verified } = change;
  if (username === null && email === null)
    throw new AppError('invalid_request', 'username: a user needs a username or an e-mail address');
  if (email_verified && email === null)
    throw new AppError('invalid_request', 'email_verified: the user has no e-mail address');
  const isSame = email !== null && before.email !== null && addressKey(email) === addressKey(before.email);
  const isVerified = email_verified ?? (isSame && before.email_verified_at !== null);
  return {
    ...change,
    ...(change.email === undefined ? {} : { email_verified: isVerified }),
    ...(claims === undefined ? {} : { claims: changeClaims(before.claims, claims, 'admin') }),
  };
}

/** What users change of themselves; `claims` is a merge patch as the request has it. */
export interface OwnChange {
  username?: string | undefined;
  claims?: unknown;
}

/**
 * Changes what users may change of themselves: the username, and the standard members of the profile. Refuses with `username_taken`
 * and `invalid_claims`, and with `invalid_token` when the user has been deleted meanwhile.
 */
export async function changeOwnProfile(
  db: Db,
  user_id: string,
  change: OwnChange,
  source: RequestSource,
): Promise<User> {
  return await db.transaction(async (tx) => {
    const { username, claims } = change;
    const before = await lockUser(tx, user_id);
    const merged = claims === undefined ? undefined : changeClaims(before?.claims ?? null, claims, 'user');
    const user =
      before?.status !== 'deleted' && (await updateUser(tx, user_id, { username, claims: merged }));
    if (!user) throw new AppError('invalid_token');
    const detail = {
      changed: Object.entries({ username, claims }).flatMap(([name, value]) =>
        value === undefined ? [] : [name],
      ),
    };
    const initiator = { actor: 'user', actor_id: user_id, source } as const;
    await recordEventOf(tx, initiator, { type: 'user_updated', user_id, detail });
    return user;
  });
}
