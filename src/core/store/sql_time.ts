// Time as SQL, by the clock that decides: the database's own on Postgres, the bound time of the machine on SQLite.
import type { Knex } from 'knex';
import type { Columns } from './columns.ts';
import { type Db, isPostgres, rows } from './db.ts';

/**
 * The present, as SQL. On Postgres the database's own clock decides, so that nodes whose clocks differ agree. SQLite is one
 * machine, and its own `now` is text, which never compares with a stored time. Whole milliseconds, so that a stored time is
 * the same after it was read as a Date (cursors compare it). `at` is for tests.
 */
export function present(db: Db, at?: Date): Knex.Raw {
  if (!isPostgres(db)) return db.raw('?', [at ?? new Date()]);
  return at ? db.raw('?::timestamptz', [at]) : db.raw(presentOnPostgres);
}

/** The same as text, for prepared statements. */
export const presentOnPostgres = "date_trunc('milliseconds', now())";

interface Reading {
  now_at: Date;
}

const readingColumns = { now_at: 'time' } as const satisfies Columns<Reading>;

/** The time by the clock that decides. */
export async function readClock(db: Db): Promise<Date> {
  const [row] = await rows<Reading>(db, 'select :now as now_at', { now: present(db) }, readingColumns);
  if (!row) throw new Error('the database returned no time');
  return row.now_at;
}

/** SQL for `column + seconds`, where `seconds` is a column or a placeholder that holds whole seconds. */
export function plusSeconds(db: Db, column: string, seconds: string): string {
  return isPostgres(db)
    ? `(${column} + ${seconds} * interval '1 second')`
    : `(${column} + ${seconds} * 1000)`;
}
