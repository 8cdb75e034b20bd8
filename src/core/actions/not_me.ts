// "This was not me": the link in a notice. It works once, and only together with the address that it went to, which a person types.
import type { Knex } from 'knex';
import { type OneTimeCode, voidCodes } from '../one_time_codes/one_time_codes.ts';
import { type FormerAddress, listFormerAddresses } from '../one_time_codes/reserved_addresses.ts';
import { claimCode } from '../one_time_codes/spend.ts';
import type { RequestSource } from '../request_source.ts';
import { lockUser } from '../users/users.ts';
import { lockWithFormer, restoreAddress } from './former_addresses.ts';
import { type ShutOutDeps, shutOut } from './shut_out.ts';
import { isAddressOf, type Reported, report } from './undo_address.ts';

/**
 * Ends all sessions, makes the password unusable and starts a recovery. Where the link went to a former address that can still be restored,
 * it is restored: else the recovery would go to whoever took it away. `code` is a living link (`findLink`).
 */
export async function reportNotMe(
  deps: ShutOutDeps,
  code: OneTimeCode,
  { typed, source }: { typed: string; source: RequestSource },
): Promise<Reported> {
  if (!isAddressOf(code, typed)) return { outcome: 'wrong_address' };
  const former = code.user_id === null ? [] : await listFormerAddresses(deps.db, code.user_id);
  const own = former.find(({ address_key }) => address_key === code.address_key) ?? null;
  return await report(deps, (tx) => reportInTransaction(tx, deps, { code, own, source }));
}

async function reportInTransaction(
  tx: Knex.Transaction,
  deps: ShutOutDeps,
  { code, own, source }: { code: OneTimeCode; own: FormerAddress | null; source: RequestSource },
) {
  const { user_id, address_key } = code;
  if (user_id === null) return null;
  const { user, isFree } = own
    ? await lockWithFormer(tx, user_id, own.address)
    : { user: await lockUser(tx, user_id), isFree: false };
  if (!user || user.status === 'deleted' || !(await claimCode(tx, code))) return null;
  // Other notices to this mailbox tell of the same.
  await voidCodes(tx, { purpose: 'not_me', user_id, address_key });
  const isRestored = own !== null && isFree && user.email_key !== address_key && (await claimCode(tx, own));
  if (isRestored) await restoreAddress(tx, user_id, own);
  const out = await shutOut(tx, deps, {
    user_id,
    reason: 'not_me',
    detail: { restored: isRestored },
    source,
  });
  return { ...out, restored: isRestored ? own.address : null };
}
