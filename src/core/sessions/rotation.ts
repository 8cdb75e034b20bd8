// The rotation of refresh tokens, and where reuse is decided. One conditional UPDATE (`advanceSql`) rotates the token of the
// current generation. For any other token `judge` decides: ended, expired, a retry within the window, or reuse. `punish` then
// ends the session and commits that before the client gets its answer.
import type { Knex } from 'knex';
import { recordEvents } from '../audit/audit.ts';
import type { NewEvent } from '../audit/audit_events.ts';
import type { RequestSource } from '../request_source.ts';
import type { Columns } from '../store/columns.ts';
import { type Db, isPostgres, rows } from '../store/db.ts';
import { localCommitSql } from '../store/local_commit.ts';
import { plusSeconds, present } from '../store/sql_time.ts';
import { statement } from '../store/statements.ts';
import { raiseTokenVersion } from '../users/user_changes.ts';
import { lockUser } from '../users/users.ts';
import { endSession } from './end_sessions.ts';
import { isCurrentEpochSql, isExpiredSql } from './live_session.ts';
import type { Session } from './sessions.ts';

/**
 * The outcome of presenting a refresh token. `generation` is that of the token to hand out:
 * `rotated` made it, `retried` hands out the one that exists already.
 */
export type Rotation =
  | { outcome: 'rotated' | 'retried'; generation: number }
  | { outcome: 'reused' | 'ended' | 'expired' | 'unknown' };

export interface Presented {
  session_id: string;
  /** The generation of the presented token, whose tag has been verified. */
  generation: number;
  /** Seconds after a rotation in which its predecessor is answered again. */
  retry_window: number;
  /** The profile `observe`: reuse is recorded and answered, not punished. */
  observe: boolean;
  /** Whether reuse also makes the user's outstanding access tokens inactive. */
  raise_token_version: boolean;
  source: RequestSource;
}

/**
 * Rotates a session's refresh token. Of concurrent calls the conditional UPDATE lets one rotate. The consequence of reuse is
 * committed when this returns, so reuse is an outcome and not an error, which would roll it back.
 */
export async function rotate(db: Db, presented: Presented, at?: Date): Promise<Rotation> {
  let row: Row | null = null;
  // Tried twice: on Postgres an UPDATE that waited while all other sessions of the user ended compares this session's new epoch
  // with the epoch that the user had before.
  for (let tries = 0; tries < 2; tries += 1) {
    const generation = await advance(db, presented, at);
    if (generation !== null) return { outcome: 'rotated', generation };
    row = await readRow(db, presented, at);
    if (!row || !isDue(presented, row)) break;
  }
  const judged = judge(presented, row);
  if (judged === 'reused') return await db.transaction((tx) => punish(tx, presented, at));
  if (judged === 'observed') return await observe(db, presented, at);
  return judged;
}

// `<=` and not `=`: a higher generation under a valid tag means that the database lost its last seconds. The token is accepted
// and the row catches up.
const advanceSql = (db: Db) => `
  update sessions set generation = :presented + 1, rotated_at = :now, last_used_at = :now, ip = :ip, user_agent = :user_agent
  where id = :id and generation <= :presented and ended_at is null and not ${isExpiredSql(db)}
    and ${isCurrentEpochSql}
  returning generation${localCommitSql(db)}`;

const advanceNow = statement<{ generation: number }>({ name: 'advance', commit: 'local' }, advanceSql);

/**
 * The conditional UPDATE alone: the generation of the successor, or null when the token is not the session's current
 * one any more, or the session is over. {@link rotate} finds out which.
 */
export async function advance(
  db: Db,
  { session_id, generation, source }: Pick<Presented, 'session_id' | 'generation' | 'source'>,
  at?: Date,
): Promise<number | null> {
  const values = { id: session_id, presented: generation, ip: source.ip, user_agent: source.user_agent };
  const [row] = at
    ? await rows<{ generation: number }>(db, advanceSql(db), { ...values, now: present(db, at) })
    : await advanceNow(db, values);
  return row?.generation ?? null;
}

type Row = Pick<Session, 'id' | 'user_id' | 'client_id' | 'generation' | 'ended_at'> & {
  is_expired: boolean;
  is_current: boolean;
  in_window: boolean;
};

const rowColumns = {
  ended_at: 'time',
  is_expired: 'boolean',
  is_current: 'boolean',
  in_window: 'boolean',
} as const satisfies Columns<Row>;

// Reads the row again after the UPDATE has refused, because the row that the request began with may be outdated.
async function readRow(db: Db, presented: Presented, at?: Date): Promise<Row | null> {
  const lock = db.isTransaction && isPostgres(db) ? 'for update' : '';
  const [row] = await rows<Row>(
    db,
    `select id, user_id, client_id, generation, ended_at, ${isExpiredSql(db)} as is_expired, ${isCurrentEpochSql} as is_current,
       coalesce(${plusSeconds(db, 'rotated_at', ':window')} > :now, false) as in_window
     from sessions where id = :id ${lock}`,
    { id: presented.session_id, window: presented.retry_window, now: present(db, at) },
    rowColumns,
  );
  return row ?? null;
}

// Whether the UPDATE should have accepted the token.
function isDue(presented: Presented, row: Row): boolean {
  const isOver = row.ended_at !== null || !row.is_current || row.is_expired;
  return !isOver && row.generation <= presented.generation;
}

function judge(presented: Presented, row: Row | null): Rotation | 'reused' | 'observed' {
  if (!row) return { outcome: 'unknown' };
  if (row.ended_at || !row.is_current) return { outcome: 'ended' };
  // The UPDATE should have accepted this generation, so the clock has moved: refuse, but do not treat it as reuse.
  if (row.is_expired || row.generation <= presented.generation) return { outcome: 'expired' };
  const isPredecessor = row.generation === presented.generation + 1;
  if (isPredecessor && row.in_window) return { outcome: 'retried', generation: row.generation };
  return presented.observe ? 'observed' : 'reused';
}

// Judges again under both locks, user before session, because a logout may have come first.
async function punish(tx: Knex.Transaction, presented: Presented, at?: Date): Promise<Rotation> {
  const owner = await tx('sessions').where({ id: presented.session_id }).first('user_id');
  if (owner) await lockUser(tx, owner.user_id);
  const row = await readRow(tx, presented, at);
  const judged = judge(presented, row);
  if (judged === 'observed' || !row) return { outcome: 'unknown' };
  if (judged !== 'reused') return judged;
  await recordEvents(tx, [reuseEvent('refresh_token_reused', presented, row)], at);
  await endSession(tx, row.id, { reason: 'reuse_detected', actor: 'system', source: presented.source }, at);
  if (presented.raise_token_version) await raiseTokenVersion(tx, row.user_id);
  return { outcome: 'reused' };
}

async function observe(db: Db, presented: Presented, at?: Date): Promise<Rotation> {
  const row = await readRow(db, presented, at);
  if (!row) return { outcome: 'unknown' };
  await recordEvents(db, [reuseEvent('refresh_token_reuse_observed', presented, row)], at);
  return { outcome: 'retried', generation: row.generation };
}

function reuseEvent(type: NewEvent['type'], presented: Presented, row: Row): NewEvent {
  return {
    type,
    user_id: row.user_id,
    session_id: row.id,
    client_id: row.client_id,
    actor: 'client',
    actor_id: row.client_id,
    detail: { presented_generation: presented.generation, current_generation: row.generation },
    ...presented.source,
  };
}
