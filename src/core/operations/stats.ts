// Figures for administrators: live sessions, and the logins and refreshes of the last 24 hours.
import type { Knex } from 'knex';
import { AppError } from '../../lib/errors.ts';
import { firstIdOf } from '../../lib/ids.ts';
import type { EventType } from '../audit/audit_events.ts';
import { listHourlyRotations } from '../sessions/hourly_rotations.ts';
import { isExpiredSql } from '../sessions/live_session.ts';
import { type Db, isPostgres, rows } from '../store/db.ts';
import { present, readClock } from '../store/sql_time.ts';

export interface Stats {
  at: Date;
  live_sessions: {
    total: number;
    /** The clients with the most sessions; the users below. */
    by_client: { client_id: string; sessions: number }[];
    by_user: { user_id: string; username: string; sessions: number }[];
  };
  /** The last 24 hours: the current hour and the 23 before it. */
  last_day: {
    logins: number;
    failed_logins: Record<string, number>;
    refreshes_per_hour: { hour: Date; refreshes: number }[];
    refresh_tokens: { rotated: number; retried: number; reused: number; observed: number };
  };
}

const hour = 3_600_000;
const hours = 24;
/** Seconds after which Postgres cancels one of these statements, so that they never slow refreshes down for long. */
const timeLimit = 10;

/** All figures; `top` clients and users. Refuses with `unavailable` if a statement exceeds its time limit. */
export async function readStats(
  db: Knex,
  { top = 10, at }: { top?: number; at?: Date } = {},
): Promise<Stats> {
  const now = at ?? (await readClock(db));
  const firstHour = Math.floor(now.getTime() / hour) * hour - (hours - 1) * hour;
  const starts = Array.from({ length: hours }, (_, i) => new Date(firstHour + i * hour));
  return await withTimeLimit(db, async (tx) => ({
    at: now,
    live_sessions: await readLive(tx, top, at),
    last_day: await readDay(tx, starts),
  }));
}

/** How many sessions are live. Reads every session that has not ended. */
export async function countLiveSessions(db: Db, at?: Date): Promise<number> {
  const [row] = await rows<{ n: number }>(db, `select count(*) as n from sessions where ${isLive(db)}`, {
    now: present(db, at),
  });
  return row?.n ?? 0;
}

const isLive = (db: Db) => `ended_at is null and not ${isExpiredSql(db)}`;

async function readLive(db: Db, top: number, at?: Date): Promise<Stats['live_sessions']> {
  const now = present(db, at);
  const clients = await rows<{ client_id: string; sessions: number }>(
    db,
    `select client_id, count(*) as sessions from sessions where ${isLive(db)} group by client_id
     order by sessions desc, client_id`,
    { now },
  );
  const by_user = await rows<{ user_id: string; username: string; sessions: number }>(
    db,
    `select t.user_id, u.username, t.sessions from (
       select user_id, count(*) as sessions from sessions where ${isLive(db)} group by user_id
       order by sessions desc, user_id limit :top
     ) t join users u on u.id = t.user_id order by t.sessions desc, t.user_id`,
    { now, top },
  );
  const total = clients.reduce((sum, client) => sum + client.sessions, 0);
  return { total, by_client: clients.slice(0, top), by_user };
}

async function readDay(db: Db, starts: Date[]): Promise<Stats['last_day']> {
  const [start = new Date()] = starts;
  const count = async (type: EventType) => (await countEvents(db, type, [start]))[0] ?? 0;
  // Each rotation is in one of them: in the trail, or counted.
  const [inTrail, counted] = [
    await countEvents(db, 'refresh_token_rotated', starts),
    await listHourlyRotations(db, starts),
  ];
  const refreshes = starts.map((_, i) => (inTrail[i] ?? 0) + (counted[i] ?? 0));
  const observed = await count('refresh_token_reuse_observed');
  return {
    logins: await count('session_opened'),
    failed_logins: await countFailures(db, start),
    refreshes_per_hour: starts.map((start, i) => ({ hour: start, refreshes: refreshes[i] ?? 0 })),
    refresh_tokens: {
      rotated: refreshes.reduce((sum, n) => sum + n, 0),
      // Reuse that is only observed is answered like a retry, and recorded as both.
      retried: Math.max(0, (await count('refresh_token_retried')) - observed),
      reused: await count('refresh_token_reused'),
      observed,
    },
  };
}

// Ids sort by time, so each count is one range of the index on (type, id), and no row is read.
async function countEvents(db: Db, type: EventType, starts: Date[]): Promise<number[]> {
  const bounds = Object.fromEntries(starts.map((start, i) => [`b${i}`, firstIdOf(start)]));
  const counts = starts.map((_, i) => {
    const before = i + 1 < starts.length ? `and id < :b${i + 1}` : '';
    return `(select count(*) from audit_events where type = :type and id >= :b${i} ${before}) as n${i}`;
  });
  const [row] = await rows<Record<string, number>>(db, `select ${counts.join(', ')}`, { type, ...bounds });
  return starts.map((_, i) => row?.[`n${i}`] ?? 0);
}

async function countFailures(db: Db, since: Date): Promise<Record<string, number>> {
  const failures = await rows<{ reason: string | null; n: number }>(
    db,
    `select reason, count(*) as n from audit_events where type = 'login_failed' and id >= :since
     group by reason order by n desc`,
    { since: firstIdOf(since) },
  );
  return Object.fromEntries(failures.map(({ reason, n }) => [reason ?? 'unknown', n]));
}

async function withTimeLimit<Result>(db: Knex, read: (db: Db) => Promise<Result>): Promise<Result> {
  if (!isPostgres(db)) return await read(db);
  try {
    return await db.transaction(
      async (tx) => {
        await tx.raw(`set local statement_timeout = '${timeLimit}s'`);
        return await read(tx);
      },
      { readOnly: true },
    );
  } catch (error) {
    const isTooSlow = (error as { code?: string }).code === '57014';
    throw isTooSlow
      ? new AppError('unavailable', 'Computing the statistics took too long.', { cause: error })
      : error;
  }
}
