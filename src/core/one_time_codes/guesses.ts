// Comparing a code that was typed. A try is counted before the comparison, so that of thirty guesses at once no more get through than
// one after the other.
import type { Knex } from 'knex';
import { digest, equalBytes, type Keyring } from '../../lib/crypto.ts';
import { rows } from '../store/db.ts';
import { plusSeconds, present } from '../store/sql_time.ts';
import { codeMac, type OneTimeCode } from './one_time_codes.ts';
import { mostAlive, mostTries, mostUserTries, type Purpose, userWindow } from './purposes.ts';

export interface Guess {
  purpose: Purpose;
  /** The handle of the request that asked for the code. */
  request: string;
  code: string;
}

/**
 * The living code of this request that was typed, else null. Wrong codes count for the request, and over all requests for the user: after
 * {@link mostTries} and {@link mostUserTries} of them the right one gets null as well. A code that was right once (used, or expired)
 * counts for nothing. The caller spends the code in the transaction of what it proves.
 */
export async function guessCode(db: Knex, keyring: Keyring, guess: Guess): Promise<OneTimeCode | null> {
  return await db.transaction((tx) => guessInTransaction(tx, keyring, guess));
}

async function guessInTransaction(
  tx: Knex.Transaction,
  keyring: Keyring,
  { purpose, request, code }: Guess,
): Promise<OneTimeCode | null> {
  const request_digest = digest(request);
  const newest = await tx('one_time_codes')
    .where({ purpose, request_digest })
    .orderBy('id', 'desc')
    .limit(mostAlive * 2)
    .forUpdate()
    .select('*', tx.raw('(used_at is null and code_expires_at > ?) as is_alive', [present(tx)]));
  const [first] = newest;
  const isRight = (one: OneTimeCode) => matches(keyring, one, code);
  // The comparison is with every code, so that its duration says nothing.
  const right = newest.filter(isRight);
  const alive = right.find((one) => Boolean(one.is_alive));
  const isRefused =
    !first || first.tries >= mostTries || (await hasGuessedTooOften(tx, first.user_id, purpose));
  if (alive && !isRefused) return alive;
  if (first && right.length === 0 && first.tries < mostTries)
    await tx('one_time_codes').where({ purpose, request_digest }).increment('tries', 1);
  return null;
}

function matches(
  keyring: Keyring,
  { purpose, request_digest, code_mac }: OneTimeCode,
  code: string,
): boolean {
  if (code_mac === null || !/^\d{6}$/.test(code)) return false;
  const stored = Buffer.from(code_mac);
  return keyring.all.some((key) =>
    equalBytes(Buffer.from(codeMac(key, { purpose, request_digest, code })), stored),
  );
}

async function hasGuessedTooOften(
  tx: Knex.Transaction,
  user_id: string | null,
  purpose: Purpose,
): Promise<boolean> {
  if (user_id === null) return false;
  // Tries stand on every code of a request.
  const [row] = await rows<{ tries: number }>(
    tx,
    `select coalesce(sum(tries), 0) as tries from (
       select max(tries) as tries from one_time_codes
       where user_id = :user_id and purpose = :purpose and ${plusSeconds(tx, 'created_at', ':window')} > :now
       group by request_digest) as by_request`,
    { user_id, purpose, window: userWindow, now: present(tx) },
  );
  return Number(row?.tries ?? 0) >= mostUserTries;
}
