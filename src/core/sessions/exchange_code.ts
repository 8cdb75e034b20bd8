// The exchange of a code for tokens: finding the code with its session, using it up, and completing the session, which until
// then lives only as long as the code.
import type { Knex } from 'knex';
import { digest } from '../../lib/crypto.ts';
import { type EngineRecord, isExpiredRecordSql } from '../engine_records/engine_records.ts';
import { consumeRecord } from '../engine_records/single_use.ts';
import { type Columns, json } from '../store/columns.ts';
import { type Db, isPostgres } from '../store/db.ts';
import { statement } from '../store/statements.ts';
import { type SessionWithUser, sessionWithUserColumns, sessionWithUserSql } from './find_session.ts';
import { isCurrentEpochSql } from './live_session.ts';
import { isPlain } from './plain_session.ts';
import type { Session } from './sessions.ts';
import {
  notifyReplaced,
  type Renewal,
  recordReplacedSql,
  renewalValues,
  replaceInTransaction,
  replaceSql,
} from './silent_renewal.ts';

/** A code as it is stored, and its session. */
export interface FoundCode {
  /** The version of the client cache at this moment. */
  version: number;
  record: EngineRecord | null;
  session: SessionWithUser | null;
}

type CodeRow = {
  version: number;
  code_payload: Record<string, unknown> | null;
  code_consumed_at: Date | null;
  code_is_expired: boolean | null;
} & Nullable<SessionWithUser>;

type Nullable<Row> = { [Name in keyof Row]: Row[Name] | null };

const codeColumns = {
  ...sessionWithUserColumns,
  code_payload: 'json',
  code_consumed_at: 'time',
  code_is_expired: 'boolean',
} as const satisfies Columns<CodeRow>;

const find = statement<CodeRow>(
  { name: 'code_with_session', commit: 'local' },
  (
    db,
  ) => `select registry.version, oidc_models.payload as code_payload, oidc_models.consumed_at as code_consumed_at,
      ${isExpiredRecordSql} as code_is_expired, ${sessionWithUserSql(db)}
    from registry left join oidc_models on oidc_models.model = 'AuthorizationCode' and oidc_models.id = :handle
      left join sessions s on s.id = oidc_models.session_id left join users u on u.id = s.user_id`,
  codeColumns,
);

/** What an exchange of this authorization code begins with. One SELECT. */
export async function findCode(db: Db, code: string): Promise<FoundCode> {
  const [row] = await find(db, { handle: digest(code) });
  if (!row) throw new Error('the table registry has one row');
  const { version, code_payload, code_consumed_at, code_is_expired, ...session } = row;
  const record = code_payload && {
    payload: { ...code_payload, jti: code },
    consumed_at: code_consumed_at,
    is_expired: code_is_expired === true,
    version,
  };
  return { version, record, session: isFound(session) ? session : null };
}

function isFound(session: Nullable<SessionWithUser>): session is SessionWithUser {
  return session.id !== null;
}

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
 * session is replaced. On Postgres one statement.
 */
export async function exchangeCode(
  db: Knex,
  code: UsedCode,
  completion: Completion,
  renewal: Renewal | null = null,
): Promise<'exchanged' | 'used' | 'ended'> {
  if (!isPostgres(db)) {
    if (!renewal) return await exchangeInSteps(db, code, completion);
    return await db.transaction(async (tx) => {
      const outcome = await exchangeInSteps(tx, code, completion);
      if (outcome === 'exchanged') await replaceInTransaction(tx, renewal);
      return outcome;
    });
  }
  const done = await exchangeAtOnce(db, code, completion, renewal);
  if (!done?.consumed) return 'used';
  if (done.completed > 0) return 'exchanged';
  // Tried again, for the reason given in `useRefreshToken` (rotation.ts).
  return (await isCompleted(db, completion)) ? 'exchanged' : 'ended';
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
