// Comparing a code that was typed. A try is counted before the comparison, so that of thirty guesses at once no more get through than
// one after the other.
import type { Knex } from 'knex';
import { digest, equalBytes, type Keyring } from '../../lib/crypto.ts';
import { firstIdOf, newId } from '../../lib/ids.ts';
import { rows } from '../store/db.ts';
import { plusSeconds, present } from '../store/sql_time.ts';
import { codeMac, lockNewest, type OneTimeCode } from './one_time_codes.ts';
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
  const blocked = await lockUsers(tx, purpose, request_digest);
  const newest = await lockNewest(tx, { purpose, request_digest }, mostCompared).select(
    '*',
    tx.raw('(used_at is null and code_expires_at > ?) as is_alive', [present(tx)]),
  );
  const last = newest.at(-1);
  // The comparison is with every code, so that its duration says nothing.
  const right = newest.filter((one) => matches(keyring, one, code));
  const alive = right.find((one) => Boolean(one.is_alive));
  const isBlocked = newest.some(({ user_id }) => user_id !== null && blocked.has(user_id));
  if (!last || last.tries >= mostTries || isBlocked) return null;
  if (right.length === 0) await tx('one_time_codes').where({ purpose, request_digest }).increment('tries', 1);
  return alive ?? null;
}

/** The newest codes of a request with which a guess is compared: the living ones, and those that were replaced last. */
const mostCompared = mostAlive * 2;

// Locks the users whose codes the request has asked for, which is one unless it has asked with several names, and returns those whose
// codes are refused. Under the lock of the user, guesses for several requests are counted one after the other.
async function lockUsers(
  tx: Knex.Transaction,
  purpose: Purpose,
  request_digest: string,
): Promise<Set<string>> {
  const codes = await tx('one_time_codes')
    .where({ purpose, request_digest })
    .orderBy('id', 'desc')
    .limit(mostCompared)
    .select('user_id');
  const ids = [...new Set(codes.flatMap(({ user_id }) => user_id ?? []))];
  await tx('users').whereIn('id', ids).orderBy('id').forUpdate().select('id');
  const blocked = new Set<string>();
  for (const id of ids.length > 0 ? ids : [newId()]) if (await isBlocked(tx, id, purpose)) blocked.add(id);
  return blocked;
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

interface Guessed {
  tries: number;
  at: Date;
  /** Whether it was less than {@link userWindow} ago. */
  is_recent: boolean;
}

// Whether there were too many wrong codes within some window that ended less than another one ago. Guesses while it is so are refused
// and not counted, so it ends.
async function isBlocked(tx: Knex.Transaction, user_id: string, purpose: Purpose): Promise<boolean> {
  // Tries stand on every code of a request. The bound by id is coarse, and only for the index.
  const guessed = await rows<Guessed>(
    tx,
    `select max(tries) as tries, max(created_at) as at,
       max(case when ${plusSeconds(tx, 'created_at', ':window')} > :now then 1 else 0 end) = 1 as is_recent
     from one_time_codes
     where user_id = :user_id and purpose = :purpose and id > :oldest and tries > 0
       and ${plusSeconds(tx, 'created_at', ':both')} > :now
     group by request_digest order by at`,
    {
      ...{ user_id, purpose, window: userWindow, both: 2 * userWindow, now: present(tx) },
      oldest: firstIdOf(new Date(Date.now() - 3 * userWindow * 1000)),
    },
    { at: 'time', is_recent: 'boolean' },
  );
  return guessed.some(({ at, is_recent }) => {
    const since = at.getTime() - userWindow * 1000;
    const within = guessed.filter((one) => one.at <= at && one.at.getTime() > since);
    return is_recent && within.reduce((sum, { tries }) => sum + Number(tries), 0) >= mostUserTries;
  });
}

/** Forgets the wrong codes that count against a user, in the caller's transaction, which has locked the user's row. */
export async function clearGuesses(tx: Knex.Transaction, user_id: string): Promise<void> {
  await tx('one_time_codes')
    .where({ user_id })
    .where('id', '>', firstIdOf(new Date(Date.now() - 3 * userWindow * 1000)))
    .where('tries', '>', 0)
    .update({ tries: 0 });
}
