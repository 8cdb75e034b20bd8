// The link that undoes a change of the address. It works for seven days, also after further changes, once, and only together with the
// address that it went to, which a person types: a scanner of mail does not know it.
import type { Knex } from 'knex';
import type { OneTimeCode } from '../one_time_codes/one_time_codes.ts';
import { claimCode } from '../one_time_codes/spend.ts';
import type { RequestSource } from '../request_source.ts';
import { finishEnding } from '../sessions/pending_endings.ts';
import { addressKey, withoutBlanks } from '../users/names.ts';
import { lockWithFormer, restoreAddress } from './former_addresses.ts';
import { type HasShutOut, type ShutOutDeps, shutOut } from './shut_out.ts';

export type Reported =
  /** The typed address is not the one that the link went to; the link goes on to work. */
  | { outcome: 'wrong_address' }
  /** The link was used meanwhile, or its user is gone. */
  | { outcome: 'used' }
  /** `restored`: the address that is the user's again, or null. `recoveryTo`: where the link for a new password went, or null. */
  | { outcome: 'done'; restored: string | null; recoveryTo: string | null };

/**
 * Restores the address that the link went to, ends all sessions and makes the password unusable, so that whoever changed the address is
 * out. The codes and links of later addresses are void, and the link for a new password goes to the restored one. `code` is a living link
 * (`findLink`).
 */
export async function undoAddressChange(
  deps: ShutOutDeps,
  code: OneTimeCode,
  { typed, source }: { typed: string; source: RequestSource },
): Promise<Reported> {
  if (!isAddressOf(code, typed)) return { outcome: 'wrong_address' };
  return await report(deps, (tx) => undoInTransaction(tx, deps, code, source));
}

/** Whether this is the address that the link went to, in any of its spellings. */
export function isAddressOf({ address_key }: Pick<OneTimeCode, 'address_key'>, typed: string): boolean {
  return address_key !== null && addressKey(withoutBlanks(typed)) === address_key;
}

/** Runs the transaction, and ends the sessions that it has not ended itself. */
export async function report(
  { db }: Pick<ShutOutDeps, 'db'>,
  work: (tx: Knex.Transaction) => Promise<(HasShutOut & { restored: string | null }) | null>,
): Promise<Reported> {
  const done = await db.transaction(work);
  if (!done) return { outcome: 'used' };
  await finishEnding(db, done.begun);
  return { outcome: 'done', restored: done.restored, recoveryTo: done.recoveryTo };
}

async function undoInTransaction(
  tx: Knex.Transaction,
  deps: ShutOutDeps,
  code: OneTimeCode,
  source: RequestSource,
) {
  const { user_id, address, address_key } = code;
  if (user_id === null || address === null || address_key === null) return null;
  const { user, isFree } = await lockWithFormer(tx, user_id, address);
  if (!user || user.status === 'deleted' || !(await claimCode(tx, code))) return null;
  if (isFree) await restoreAddress(tx, user_id, { id: code.id, address, address_key });
  const out = await shutOut(tx, deps, {
    user_id,
    reason: 'address_undone',
    detail: { restored: isFree },
    source,
  });
  return { ...out, restored: isFree ? address : null };
}
