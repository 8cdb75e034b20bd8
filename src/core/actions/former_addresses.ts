// The former addresses of a user: how they learn of a change, and how one of them becomes the user's again.
import type { Knex } from 'knex';
import type { Keyring } from '../../lib/crypto.ts';
import { AppError } from '../../lib/errors.ts';
import { maskAddress } from '../../lib/mask_address.ts';
import { enqueueMail } from '../mail/mails.ts';
import { notMePath, sendsNotices } from '../mail/notices.ts';
import { issueCode } from '../one_time_codes/one_time_codes.ts';
import { type FormerAddress, listFormerAddresses } from '../one_time_codes/reserved_addresses.ts';
import type { RequestSource } from '../request_source.ts';
import { present, readClock } from '../store/sql_time.ts';
import { addressKey } from '../users/names.ts';
import { updateUser } from '../users/user_changes.ts';
import { displayName, lockUser, type User } from '../users/users.ts';
import { takeAddress } from './take_address.ts';

export interface ChangedAddress {
  /** The user with the new address. */
  user: User;
  /** The address before, when it was proved. */
  former: string | null;
  /** Whether the user has gone back to an address of before ({@link returnToAddress}): the one between has no right to undo that. */
  isReturn: boolean;
  source: RequestSource;
}

/**
 * Mails the link that undoes a change to the address before. Those before it, which can be restored as well, learn of the change too; the
 * link of their mail works no longer than the one that they got when they were replaced.
 */
export async function tellFormerAddresses(
  tx: Knex.Transaction,
  keyring: Keyring,
  { user, former, isReturn, source }: ChangedAddress,
): Promise<void> {
  const at = await readClock(tx);
  const older = await listFormerAddresses(tx, user.id);
  const tell = async (to: string, path: string | null) =>
    await enqueueMail(tx, {
      ...{ kind: 'email_changed', to, user_id: user.id, isProved: true, path, at },
      zoneinfo: user.claims?.zoneinfo,
      facts: { name: displayName(user), address: maskAddress(user.email ?? '') },
      source: { ip: source.ip, user_agent: source.user_agent },
    });
  if (former !== null && isReturn) await tell(former, null);
  else if (former !== null) {
    const { token } = await issueCode(tx, keyring, { purpose: 'undo_email', user, address: former });
    await tell(former, `/undo-email/${token}`);
  }
  const told = [former, user.email].map((one) => addressKey(one ?? ''));
  for (const { address, address_key, expires_at } of older) {
    if (told.includes(address_key)) continue;
    const left = Math.max(1, Math.floor((expires_at.getTime() - at.getTime()) / 1000));
    await tell(address, await notMePath(tx, user, address, left));
  }
}

/**
 * Tells the proved address that an administrator has replaced or removed. Without a link, because the administrator may have taken the
 * account back from the owner of that mailbox.
 */
export async function tellReplacedAddress(tx: Knex.Transaction, before: User, after: User): Promise<void> {
  const { email, email_verified_at } = before;
  const isReplaced = email && email_verified_at && addressKey(email) !== addressKey(after.email ?? '');
  if (!isReplaced || !sendsNotices(tx, 'email_changed')) return;
  const facts: Record<string, string> = { name: displayName(before) };
  if (after.email !== null) facts.address = maskAddress(after.email);
  await enqueueMail(tx, {
    ...{ kind: 'email_changed', to: email, user_id: after.id, isProved: true, at: await readClock(tx) },
    zoneinfo: after.claims?.zoneinfo,
    facts,
  });
}

/**
 * Locks a user and, before anything else is locked, whoever has the former address without proof. `isFree` is false when another user has
 * proved it, for whom an administrator must have vouched.
 */
export async function lockWithFormer(
  tx: Knex.Transaction,
  user_id: string,
  address: string,
): Promise<{ user: User | null; isFree: boolean }> {
  try {
    return { user: await takeAddress(tx, { address, user_id }), isFree: true };
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'email_taken') throw error;
    return { user: await lockUser(tx, user_id), isFree: false };
  }
}

/** Makes a former address the user's again, and does what {@link returnToAddress} does. */
export async function restoreAddress(
  tx: Knex.Transaction,
  user_id: string,
  former: Pick<FormerAddress, 'id' | 'address' | 'address_key'>,
): Promise<void> {
  await updateUser(tx, user_id, { email: former.address, email_verified: true });
  await voidLaterLinks(tx, user_id, former);
}

/**
 * Where a user gets an address that a link can still restore, it counts as restored: the links that went to addresses after it are void.
 * Otherwise a thief who has changed the address twice could undo the way back once the link to the owner's address has expired. Returns
 * whether it is such an address. The caller writes the address.
 */
export async function returnToAddress(
  tx: Knex.Transaction,
  user_id: string,
  address: string,
): Promise<boolean> {
  const former = await listFormerAddresses(tx, user_id);
  const own = former.find(({ address_key }) => address_key === addressKey(address));
  if (own) await voidLaterLinks(tx, user_id, own);
  return own !== undefined;
}

// Those of earlier addresses go on to work, so that no thief takes them away with the link of a later address.
async function voidLaterLinks(
  tx: Knex.Transaction,
  user_id: string,
  { id, address_key }: Pick<FormerAddress, 'id' | 'address_key'>,
): Promise<void> {
  await tx('one_time_codes')
    .where({ purpose: 'undo_email', user_id })
    .whereNull('used_at')
    .where((one) => one.where('id', '>=', id).orWhere({ address_key }))
    .update({ used_at: present(tx) });
  const kept = await listFormerAddresses(tx, user_id);
  await tx('one_time_codes')
    .where({ purpose: 'not_me', user_id })
    .whereNull('used_at')
    .whereNotIn('address_key', [address_key, ...kept.map((one) => one.address_key)])
    .update({ used_at: present(tx) });
}
