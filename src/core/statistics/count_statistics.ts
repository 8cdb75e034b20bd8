// Counts what metrics and statistics show and no request may count itself: live sessions, and the events of each hour. One
// node runs it every five minutes.
import type { Knex } from 'knex';
import { firstIdOf } from '../../lib/ids.ts';
import { isExpiredSql } from '../sessions/live_session.ts';
import { type Db, rows } from '../store/db.ts';
import { present, readClock } from '../store/sql_time.ts';
import {
  type Counted,
  type EventCount,
  eventsOf,
  findHours,
  findLiveCount,
  hoursOfDay,
  keepCounts,
  type LiveCount,
  liveSessions,
  putCount,
} from './statistics.ts';
import { readAside } from './time_limit.ts';

const hour = 3_600_000;
/** Milliseconds for which an hour that is over is counted again: events may be written late. */
const late = 600_000;
/** How many clients and users are kept. */
const top = 100;
/** Seconds after which a statement is cancelled; a connection that is silent for half a minute would be dropped. */
const timeLimit = 20;

export interface CountOptions {
  /** The database again, for a connection of its own. */
  url: string;
  /** Counts only if the last count is at least as many seconds old, so that of several nodes one counts. */
  ifOlderThan?: number;
  signal?: AbortSignal | undefined;
  /** The time, for tests. */
  at?: Date;
}

/**
 * Counts and stores the statistics. A count that fails or exceeds the time limit leaves the previous figures and their age,
 * and is thrown. `is_fresh` says that nothing was to be counted.
 */
export async function countStatistics(
  db: Knex,
  { url, ifOlderThan = 0, signal, at }: CountOptions,
): Promise<{ is_fresh: true } | { live_sessions: number; hours: number }> {
  const now = at ?? (await readClock(db));
  const starts = hoursOfDay(now);
  const [live, hours] = [await findLiveCount(db), await findHours(db, starts)];
  if (isFresh(live, now, ifOlderThan) && isFresh(newest(hours), now, ifOlderThan)) return { is_fresh: true };
  return await readAside({ db, url, seconds: timeLimit, signal }, async (aside) => {
    const open = starts.filter((start) => !isFinal(hours.get(eventsOf(start)), start));
    for (const start of open) await putCount(db, eventsOf(start), await countEvents(aside, start), now);
    await keepCounts(db, namesOf(now));
    const count = await countLive(aside, at);
    await putCount(db, liveSessions, count, now);
    return { live_sessions: count.total, hours: open.length };
  });
}

// The next hour as well: another node may be in it already.
function namesOf(now: Date): string[] {
  const hours = [...hoursOfDay(now), new Date(now.getTime() + hour)];
  return [liveSessions, ...hours.map(eventsOf)];
}

function isFresh(counted: Counted<unknown> | null, now: Date, seconds: number): boolean {
  return counted !== null && now.getTime() - counted.counted_at.getTime() < seconds * 1_000;
}

function newest(events: Map<string, Counted<EventCount>>): Counted<EventCount> | null {
  return [...events.values()].toSorted((a, b) => Number(b.counted_at) - Number(a.counted_at))[0] ?? null;
}

function isFinal(counted: Counted<unknown> | undefined, start: Date): boolean {
  return counted !== undefined && counted.counted_at.getTime() >= start.getTime() + hour + late;
}

/** How many sessions are live. Reads every session that has not ended. */
export async function countLiveSessions(db: Db, at?: Date): Promise<number> {
  const [row] = await rows<{ n: number }>(db, `select count(*) as n from sessions where ${isLive(db)}`, {
    now: present(db, at),
  });
  return row?.n ?? 0;
}

const isLive = (db: Db) => `ended_at is null and not ${isExpiredSql(db)}`;

async function countLive(db: Db, at?: Date): Promise<LiveCount> {
  const bindings = { now: present(db, at), top };
  const clients = await rows<{ client_id: string; sessions: number; total: number }>(
    db,
    `select client_id, sessions, cast(sum(sessions) over () as bigint) as total from (
       select client_id, count(*) as sessions from sessions where ${isLive(db)} group by client_id
     ) t order by sessions desc, client_id limit :top`,
    bindings,
  );
  const by_user = await rows<LiveCount['by_user'][number]>(
    db,
    `select user_id, count(*) as sessions from sessions where ${isLive(db)} group by user_id
     order by sessions desc, user_id limit :top`,
    bindings,
  );
  const by_client = clients.map(({ client_id, sessions }) => ({ client_id, sessions }));
  return { total: clients[0]?.total ?? 0, by_client, by_user };
}

// Rotations are in the trail only with AUDIT_REFRESHES=all; else they are counted as they are written.
const counted = [
  'session_opened',
  'refresh_token_rotated',
  'refresh_token_retried',
  'refresh_token_reused',
  'refresh_token_reuse_observed',
] as const;

// Ids sort by time, so each count is one range of the index on (type, id).
const ofHour = (type: string) => `from audit_events where type = '${type}' and id >= :start and id < :end`;
const boundsOf = (start: Date) => ({
  start: firstIdOf(start),
  end: firstIdOf(new Date(start.getTime() + hour)),
});

async function countEvents(db: Db, start: Date): Promise<EventCount> {
  const bounds = boundsOf(start);
  const counts = counted.map((type) => `(select count(*) ${ofHour(type)}) as ${type}`);
  const [row] = await rows<Omit<EventCount, 'login_failed'>>(db, `select ${counts.join(', ')}`, bounds);
  if (!row) throw new Error('a select without a table gives a row');
  const failures = await rows<{ reason: string | null; n: number }>(
    db,
    `select reason, count(*) as n ${ofHour('login_failed')} group by reason`,
    bounds,
  );
  return {
    ...row,
    login_failed: Object.fromEntries(failures.map(({ reason, n }) => [reason ?? 'unknown', n])),
  };
}
