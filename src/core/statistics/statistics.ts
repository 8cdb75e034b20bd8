// The table of figures that were counted beside the requests, each with the time of its count. It has 25 rows.
import { type Columns, declareColumns, json, type Table } from '../store/columns.ts';
import { type Db, rows } from '../store/db.ts';
import { present } from '../store/sql_time.ts';

interface Row {
  /** `live_sessions`, or {@link eventsOf} of an hour. */
  name: string;
  value: LiveCount | EventCount;
  counted_at: Date;
}

/** The live sessions, and the clients and users that have the most. */
export interface LiveCount {
  total: number;
  by_client: { client_id: string; sessions: number }[];
  by_user: { user_id: string; sessions: number }[];
}

/** The events of an hour; failed logins by their reason. */
export interface EventCount {
  session_opened: number;
  refresh_token_rotated: number;
  refresh_token_retried: number;
  refresh_token_reused: number;
  refresh_token_reuse_observed: number;
  login_failed: Record<string, number>;
}

declare module 'knex/types/tables.js' {
  interface Tables {
    statistics: Table<Row>;
  }
}

const columns = { value: 'json', counted_at: 'time' } as const satisfies Columns<Row>;
declareColumns('statistics', columns);

const hour = 3_600_000;
export const liveSessions = 'live_sessions';
export const eventsOf = (start: Date): string => `events:${start.toISOString().slice(0, 13)}`;

/** The hour of `now` and the 23 before it, by their first millisecond. */
export function hoursOfDay(now: Date): Date[] {
  const last = Math.floor(now.getTime() / hour) * hour;
  return Array.from({ length: 24 }, (_, i) => new Date(last - (23 - i) * hour));
}

/** A count that was made of the database, or null before the first. */
export interface Counted<Value> {
  value: Value;
  counted_at: Date;
}

/** The counted live sessions. */
export async function findLiveCount(db: Db): Promise<Counted<LiveCount> | null> {
  return await find<LiveCount>(db, liveSessions);
}

/** The live sessions with the age of their count in seconds, by the clock that decides. */
export async function findLiveTotal(db: Db): Promise<{ total: number; age: number } | null> {
  const [found] = await rows<Counted<LiveCount> & { now_at: Date }>(
    db,
    'select value, counted_at, :now as now_at from statistics where name = :name',
    { now: present(db), name: liveSessions },
    { ...columns, now_at: 'time' },
  );
  if (!found) return null;
  const { value, counted_at, now_at } = found;
  return { total: value.total, age: (now_at.getTime() - counted_at.getTime()) / 1_000 };
}

/** What was counted of these hours by their names; those that have not been counted are missing. */
export async function findHours(db: Db, starts: Date[]): Promise<Map<string, Counted<EventCount>>> {
  const found = await db('statistics').whereIn('name', starts.map(eventsOf));
  return new Map(
    found.map(({ name, value, counted_at }) => [name, { value: value as EventCount, counted_at }]),
  );
}

/** Stores a count in the place of the previous one. */
export async function putCount(
  db: Db,
  name: string,
  value: LiveCount | EventCount,
  counted_at: Date,
): Promise<void> {
  await db('statistics')
    .insert({ name, value: json(value), counted_at })
    .onConflict('name')
    .merge();
}

/** Removes all counts but these. */
export async function keepCounts(db: Db, names: string[]): Promise<void> {
  await db('statistics').whereNotIn('name', names).delete();
}

async function find<Value extends LiveCount>(db: Db, name: string): Promise<Counted<Value> | null> {
  const found = await db('statistics').where({ name }).first();
  return found ? { value: found.value as Value, counted_at: found.counted_at } : null;
}
