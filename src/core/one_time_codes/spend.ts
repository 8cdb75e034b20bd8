// Links, and the use of a code: one conditional UPDATE, so of two at once one wins.
import type { Knex } from 'knex';
import { digest } from '../../lib/crypto.ts';
import { type Db, isPostgres, rows } from '../store/db.ts';
import { present } from '../store/sql_time.ts';
import { type OneTimeCode, voidCodes } from './one_time_codes.ts';
import type { Purpose } from './purposes.ts';

/** What has become of a link: `used` also when it was replaced or is void. */
export type LinkState = 'alive' | 'used' | 'expired' | 'unknown';

export interface FoundLink {
  state: LinkState;
  /** Null for an unknown link. */
  code: OneTimeCode | null;
}

/** Looks a link up by the secret part of its URL, and changes nothing: scanners of mail open every link. */
export async function findLink(db: Db, purpose: Purpose, token: string): Promise<FoundLink> {
  const code =
    (await db('one_time_codes')
      .where({ purpose, link_digest: digest(token) })
      .first()) ?? null;
  if (!code) return { state: 'unknown', code };
  if (code.used_at || !(await isUserUnchanged(db, code))) return { state: 'used', code };
  const [row] = await rows<{ is_alive: boolean }>(
    db,
    'select :expires_at > :now as is_alive',
    {
      expires_at: isPostgres(db) ? db.raw('?::timestamptz', [code.expires_at]) : code.expires_at,
      now: present(db),
    },
    { is_alive: 'boolean' },
  );
  return { state: row?.is_alive ? 'alive' : 'expired', code };
}

async function isUserUnchanged(db: Db, { user_id, code_version }: OneTimeCode): Promise<boolean> {
  if (user_id === null || code_version === null) return true;
  return (await db('users').where({ id: user_id, code_version }).first('id')) !== undefined;
}

/**
 * Marks a code as used, and every other code of its purpose for the same user or address as void. False when it was used or has
 * expired meanwhile, or its user has changed since; the caller's transaction then does nothing. Locks the user's row before.
 */
export async function spendCode(tx: Knex.Transaction, code: OneTimeCode): Promise<boolean> {
  const { purpose, user_id, address_key } = code;
  if (user_id === null && address_key !== null) await lockCodes(tx, { purpose, address_key });
  if (!(await claimCode(tx, code))) return false;
  if (user_id !== null) await voidCodes(tx, { purpose, user_id });
  else if (address_key !== null) await voidCodes(tx, { purpose, address_key });
  return true;
}

/** The same without making others void: a link that undoes something must not take the links of other mailboxes away. */
export async function claimCode(tx: Knex.Transaction, { id }: Pick<OneTimeCode, 'id'>): Promise<boolean> {
  const spent = await rows<{ id: string }>(
    tx,
    `update one_time_codes set used_at = :now where id = :id and used_at is null and expires_at > :now
       and (code_version is null or code_version = (select code_version from users where id = one_time_codes.user_id))
     returning id`,
    { id, now: present(tx) },
  );
  return spent.length > 0;
}

// Codes of an address have no user whose row could be locked. They are locked in one order, so that two of them that are used at the same
// time do not wait for each other.
async function lockCodes(
  tx: Knex.Transaction,
  which: { purpose: Purpose; address_key: string },
): Promise<void> {
  await tx('one_time_codes').where(which).whereNull('used_at').orderBy('id').forUpdate().select('id');
}
