// The exchange of a code for tokens: using it up, and completing the session, which until then lives only as long as the code.
import type { Knex } from 'knex';
import { digest } from '../../lib/crypto.ts';
import { consumeRecord } from '../engine_records/single_use.ts';
import { json } from '../store/columns.ts';
import { type Db, isPostgres } from '../store/db.ts';
import { statement } from '../store/statements.ts';
import { lockUser } from '../users/users.ts';
import { isCurrentEpochSql } from './live_session.ts';
import { isPlain } from './plain_session.ts';
import { type Capped, evictBeyondCap, finishEvicting } from './session_cap.ts';
import type { Session } from './sessions.ts';
import {
  notifyReplaced,
  type Renewal,
  recordReplacedSql,
  renewalValues,
  replaceInTransaction,
  replaceSql,
} from './silent_renewal.ts';

/** What a session gets when it is completed. */
interface Completion {
  session: Pick<Session, 'id' | 'grant_payload'>;
  token_payload: object;
  /** Seconds. */
  idle_ttl: number;
}

const completeSql = (
  which: string,
) => `update sessions set token_payload = :token_payload, is_plain = :is_plain,
    idle_ttl = :idle_ttl, last_used_at = :now
  where ${which} and ended_at is null and ${isCurrentEpochSql} returning id`;

const complete = statement<{ id: string }>('complete_session', () => completeSql('id = :id'));

interface Exchanged {
  consumed: number;
  completed: number;
  /** The session that this one replaces. */
  replaced: string | null;
}

const exchangeSql = (more: string, replaced: string) => `with c as (
      update oidc_models set consumed_at = :now where model = :model and id = :handle and consumed_at is null returning id
    ), s as (${completeSql('id = :id and exists (select 1 from c)')})${more}
    select (select count(*)::int from c) as consumed, (select count(*)::int from s) as completed, ${replaced} as replaced`;

const consumeAndComplete = statement<Exchanged>('exchange_code', () => exchangeSql('', 'null'));

const consumeAndRenew = statement<Exchanged>('exchange_code_of_renewal', (db) =>
  exchangeSql(
    `, r as (${replaceSql(db, 'exists (select 1 from s)')}), e as (${recordReplacedSql('r')})`,
    '(select id from r)',
  ),
);

interface UsedCode {
  model: string;
  handle: string;
}

async function exchangeInSteps(
  db: Db,
  { model, handle }: UsedCode,
  completion: Completion,
): Promise<'exchanged' | 'used' | 'ended'> {
  if (!(await consumeRecord(db, model, handle))) return 'used';
  return (await isCompleted(db, completion)) ? 'exchanged' : 'ended';
}

async function exchangeAtOnce(
  db: Knex,
  { model, handle }: UsedCode,
  completion: Completion,
  renewal: Renewal | null,
): Promise<Exchanged | undefined> {
  const values = { ...valuesOf(completion), model, handle: digest(handle) };
  if (!renewal) return (await consumeAndComplete(db, values))[0];
  const [done] = await consumeAndRenew(db, { ...values, ...renewalValues(db, renewal) });
  if (done?.replaced) notifyReplaced(db, done.replaced, renewal);
  return done;
}

/**
 * Uses up a code and completes its session. Of several calls at once one succeeds and the others get `used`. `ended`: the session
 * has ended in between, alone or together with all others of the user; the code is used up all the same. With a `renewal`, an earlier
 * session is replaced; under a cap, the sessions beyond it end. On Postgres one statement where the client has no cap.
 */
export async function exchangeCode(
  db: Knex,
  code: UsedCode,
  completion: Completion,
  { renewal = null, capped = null }: { renewal?: Renewal | null; capped?: Capped | null } = {},
): Promise<'exchanged' | 'used' | 'ended'> {
  if (capped) return await exchangeUnderCap(db, code, completion, { renewal, capped });
  if (!isPostgres(db)) {
    if (!renewal) return await exchangeInSteps(db, code, completion);
    return await db.transaction((tx) => exchangeAndReplace(tx, code, completion, renewal));
  }
  const done = await exchangeAtOnce(db, code, completion, renewal);
  if (!done?.consumed) return 'used';
  if (done.completed > 0) return 'exchanged';
  // Tried again, for the reason given in `useRefreshToken` (rotation.ts).
  return (await isCompleted(db, completion)) ? 'exchanged' : 'ended';
}

async function exchangeAndReplace(
  tx: Knex.Transaction,
  code: UsedCode,
  completion: Completion,
  renewal: Renewal | null,
): Promise<'exchanged' | 'used' | 'ended'> {
  const outcome = await exchangeInSteps(tx, code, completion);
  if (outcome === 'exchanged' && renewal) await replaceInTransaction(tx, renewal);
  return outcome;
}

// The lock on the user's row comes first, so that no exchange of the same user counts at the same time.
async function exchangeUnderCap(
  db: Knex,
  code: UsedCode,
  completion: Completion,
  { renewal, capped }: { renewal: Renewal | null; capped: Capped },
): Promise<'exchanged' | 'used' | 'ended'> {
  const { outcome, hasMore } = await db.transaction(async (tx) => {
    await lockUser(tx, capped.user_id);
    const outcome = await exchangeAndReplace(tx, code, completion, renewal);
    return { outcome, hasMore: outcome === 'exchanged' && (await evictBeyondCap(tx, capped)) };
  });
  if (hasMore) await finishEvicting(db, capped);
  return outcome;
}

/**
 * Completes a session when its code or device code is exchanged for tokens; until then it lives only as long as the code. False
 * when it has ended in between, alone or together with all others of the user.
 */
export async function completeSession(
  db: Db,
  session: Completion['session'],
  token_payload: object,
  idle_ttl: number,
): Promise<boolean> {
  const completion = { session, token_payload, idle_ttl };
  // Tried twice, for the reason given in `useRefreshToken` (rotation.ts).
  return (await isCompleted(db, completion)) || (await isCompleted(db, completion));
}

async function isCompleted(db: Db, completion: Completion): Promise<boolean> {
  return (await complete(db, valuesOf(completion))).length > 0;
}

function valuesOf({ session, token_payload, idle_ttl }: Completion) {
  return {
    id: session.id,
    token_payload: json(token_payload),
    is_plain: isPlain(token_payload, session.grant_payload),
    idle_ttl,
  };
}
