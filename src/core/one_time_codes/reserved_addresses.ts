// Former addresses: as long as the link of a changed address can undo the change, the address stays reserved for its user.
import { type Db, rows } from '../store/db.ts';
import { present } from '../store/sql_time.ts';
import { addressKey, storedAddressKeys } from '../users/names.ts';

export interface FormerAddress {
  /** The code that undoes the change. */
  id: string;
  address: string;
  address_key: string;
  /** When the link expires. */
  expires_at: Date;
}

const columns = { expires_at: 'time' } as const;

/** The most former addresses of one user that are told of something. The oldest come first: a thief adds to the end of the list. */
const mostTold = 10;

/** The addresses that a user had within seven days, and that a link can still restore; the oldest first. */
export async function listFormerAddresses(db: Db, user_id: string): Promise<FormerAddress[]> {
  const found = await rows<FormerAddress>(
    db,
    `select id, address, address_key, expires_at from one_time_codes
     where user_id = :user_id and purpose = 'undo_email' and used_at is null and expires_at > :now
     order by id limit :most`,
    { user_id, now: present(db), most: 5 * mostTold },
    columns,
  );
  const first = found.filter(
    ({ address_key }, at) => found.findIndex((one) => one.address_key === address_key) === at,
  );
  return first.slice(0, mostTold);
}

/** Those of the keys that are reserved for a user, because a link can still restore the address to that user. */
export async function listReservedKeys(db: Db, keys: string[]): Promise<Set<string>> {
  const found = await db('one_time_codes')
    .whereIn('address_key', keys)
    .where({ purpose: 'undo_email' })
    .whereNull('used_at')
    .where('expires_at', '>', present(db))
    .pluck('address_key');
  return new Set(found.filter((key) => key !== null));
}

/**
 * Whether an address is reserved for another user than `user_id`, because a link can still restore it to that user. A transaction that
 * gives an address to a user asks after it has written the address: the unique index has then made it wait for a change of the
 * address that was being committed.
 */
export async function isAddressReserved(
  db: Db,
  address: string,
  user_id: string | null = null,
): Promise<boolean> {
  const [reserved] = await rows<{ id: string }>(
    db,
    `select c.id from one_time_codes c join users u on u.id = c.user_id and u.status <> 'deleted'
     where c.address_key = :address_key and c.purpose = 'undo_email' and c.used_at is null and c.expires_at > :now
       and (cast(:user_id as text) is null or cast(c.user_id as text) <> :user_id)
     limit 1`,
    { address_key: addressKey(address), user_id, now: present(db) },
  );
  return reserved !== undefined;
}

/**
 * The spelling in which an address is proved already, by this user or another one, or is reserved for another; null when it is free for
 * `user_id`. One statement, whatever the address.
 */
export async function findProvedSpelling(db: Db, address: string, user_id: string): Promise<string | null> {
  const [a = '', b = a, c = a] = storedAddressKeys(address);
  const [found] = await rows<{ address: string }>(
    db,
    `select email as address from users where email_key in (:a, :b, :c) and status <> 'deleted' and email_verified_at is not null
     union all
     select address from one_time_codes
     where address_key = :key and purpose = 'undo_email' and used_at is null and expires_at > :now
       and cast(user_id as text) <> :user_id
     limit 1`,
    { a, b, c, key: addressKey(address), user_id, now: present(db) },
  );
  return found?.address ?? null;
}
