// Vouching for addresses that nobody has proved, all of them or those of a list, in transactions of at most 500 users. Each user gets an
// event. An address that is proved already stays as it is.
import type { Knex } from 'knex';
import { present } from '../store/sql_time.ts';
import { storedAddressKeys } from '../users/names.ts';
import { isNamedSql } from '../users/users.ts';
import { type Initiator, recordEventsOf } from './initiator.ts';

const batchSize = 500;

export interface TrustedBatch {
  /** Addresses that count as proved from now on. */
  trusted: number;
  /** Addresses of the list that a user had proved before. */
  proved: number;
  /** The numbers of the lines whose address no user has. */
  unknown: number[];
}

/** Vouches for the address of every user; yields the outcome of each batch once it is committed. */
export async function* trustAllAddresses(db: Knex, initiator: Initiator): AsyncGenerator<TrustedBatch> {
  for (let after = '00000000-0000-0000-0000-000000000000'; ; ) {
    const ids = await db('users')
      .whereNotNull('email')
      .whereNull('email_verified_at')
      .whereRaw(isNamedSql)
      .where('id', '>', after)
      .orderBy('id')
      .limit(batchSize)
      .pluck('id');
    const trusted = await db.transaction((tx) => trust(tx, initiator, ids));
    if (trusted > 0) yield { trusted, proved: 0, unknown: [] };
    if (ids.length < batchSize) return;
    after = ids.at(-1) ?? after;
  }
}

export interface ListedAddress {
  line: number;
  address: string;
}

/** Vouches for the addresses of a list, at most 500 of them. */
export async function trustListed(
  db: Knex,
  initiator: Initiator,
  list: ListedAddress[],
): Promise<TrustedBatch> {
  const keys = list.map(({ line, address }) => ({ line, keys: storedAddressKeys(address) }));
  return await db.transaction(async (tx) => {
    const found = await tx('users')
      .whereIn(
        'email_key',
        keys.flatMap((one) => one.keys),
      )
      .whereRaw(isNamedSql)
      .select('id', 'email_key', 'email_verified_at');
    const unproved = found.filter((user) => user.email_verified_at === null);
    const trusted = await trust(
      tx,
      initiator,
      unproved.map(({ id }) => id),
    );
    const known = new Set(found.map(({ email_key }) => email_key));
    const unknown = keys.filter((one) => !one.keys.some((key) => known.has(key)));
    return { trusted, proved: found.length - unproved.length, unknown: unknown.map(({ line }) => line) };
  });
}

// An address that changes meanwhile is not the one that was vouched for: the change waits for this row, or this row for the change.
async function trust(tx: Knex.Transaction, initiator: Initiator, ids: string[]): Promise<number> {
  if (ids.length === 0) return 0;
  // In the order of their ids, as everybody who locks several users does.
  await tx('users').whereIn('id', ids).orderBy('id').forUpdate().select('id');
  const trusted = await tx('users')
    .whereIn('id', ids)
    .whereNotNull('email')
    .whereNull('email_verified_at')
    .update({ email_verified_at: present(tx), updated_at: present(tx) })
    .returning('id');
  await recordEventsOf(
    tx,
    initiator,
    trusted.map(({ id }) => ({ type: 'addresses_trusted', user_id: id })),
  );
  return trusted.length;
}
