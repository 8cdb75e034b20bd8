// The statements of the hot path: each connection prepares them once, and no query builder is involved. Knex
// needs 50 to 100 µs to build, format and unwrap the statement of a refresh; this file needs about a tenth of that.
import type { EventEmitter } from 'node:events';
import type { Knex } from 'knex';
import { type ColumnsOf, reviveRow } from './columns.ts';
import { markDatabaseError } from './database_errors.ts';
import { type Db, isPostgres, readRows } from './db.ts';
import { type Commit, executeAlone, executePipelined } from './pipeline.ts';
import type { Prepared } from './prepared_query.ts';
import { present, presentOnPostgres } from './sql_time.ts';
import { executeGrouped, type SqliteStatement } from './sqlite_groups.ts';

type Values = Record<string, Knex.RawBinding | string[]>;

/** Runs a statement with its named values; `:now` in its text is the present and is not among them. */
export type Statement<Row> = (db: Db, values: Values) => Promise<Row[]>;

/** A row whose times are ISO 8601 texts. */
export type WithIsoTimes<Row> = { [Name in keyof Row]: Row[Name] extends Date ? string : Row[Name] };

interface Options {
  /** The name under which Postgres prepares the statement; no other statement may have it. */
  name: string;
  /** The statement takes long, so it shares its connection with no other statement, which would have to wait. */
  alone?: boolean;
  /** Whether its commit waits for a synchronous standby; by default it does ({@link Commit}). */
  commit?: Commit;
  /** Times come as ISO 8601 texts. For rows that are only shown: making a Date and writing it again costs ten times as much. */
  isoTimes?: boolean;
}

/**
 * Makes a statement. `write` returns its SQL for the given database; the last argument gives the columns of `Row` that
 * SQLite has no type for. In a transaction the statement runs like any other; elsewhere it is prepared, and may share a
 * connection (Postgres) or a transaction (SQLite) with others: it must be short, and the holder of a lock must not wait for it
 * (docs/decisions/007 and 009). It lists its columns, because a prepared `select *` fails once a newer node has added a column.
 */
export function statement<Row>(
  options: Options & { isoTimes: true },
  write: (db: Db) => string,
  ...columns: ColumnsOf<Row>
): Statement<WithIsoTimes<Row>>;
export function statement<Row>(
  options: string | Options,
  write: (db: Db) => string,
  ...columns: ColumnsOf<Row>
): Statement<Row>;
export function statement(
  options: string | Options,
  write: (db: Db) => string,
  columns?: object,
): Statement<object> {
  const {
    name,
    alone,
    commit = 'standby',
    isoTimes = false,
  }: Options = typeof options === 'string' ? { name: options } : options;
  const execute = alone ? executeAlone : executePipelined;
  const numbered = byDialect((db) => {
    const { text, order } = isPostgres(db) ? numberValues(write(db), '$') : numberValues(write(db), '?');
    return { text, order, name, isoTimes, writes: /\b(insert|update|delete)\b/i.test(text) };
  });
  const runOnSqlite = async (db: Knex, values: Values): Promise<object[]> => {
    const prepared = numbered(db);
    const dated = { ...values, now: new Date() };
    return revive(await executeGrouped(db.client, prepared, valuesOf(prepared, dated)), isoTimes, columns);
  };
  const run = (db: Knex, values: Values): Promise<object[]> => {
    if (!isPostgres(db)) return runOnSqlite(db, values);
    const prepared = numbered(db);
    return execute(db.client, commit, prepared, valuesOf(prepared, values));
  };
  return async (db, values) => {
    if (db.isTransaction) {
      const bindings = { ...values, now: present(db) } as Record<string, Knex.RawBinding>;
      const found = await readRows<object>(db, write(db), bindings, columns);
      return isoTimes ? found.map(withIsoTimes) : found;
    }
    const isReported = (db as Knex).listenerCount('query') > 0;
    const report = isReported ? reportQuery(db.client, numbered(db).text) : null;
    try {
      const found = await run(db as Knex, values);
      report?.('query-response', { rows: found });
      return found;
    } catch (error) {
      markDatabaseError(error);
      report?.('query-error', error);
      throw error;
    }
  };
}

interface NumberedStatement extends Prepared, SqliteStatement {
  /** The name of the value that each number of the text stands for. */
  order: string[];
}

// The text differs between the two databases, and is made once for each.
function byDialect(make: (db: Db) => NumberedStatement): (db: Db) => NumberedStatement {
  const made: { postgres?: NumberedStatement; sqlite?: NumberedStatement } = {};
  return (db) => {
    const dialect = isPostgres(db) ? 'postgres' : 'sqlite';
    made[dialect] ??= make(db);
    return made[dialect];
  };
}

const valuesOf = ({ order }: NumberedStatement, values: Values): unknown[] =>
  order.map((value) => values[value]);

// Numbers the named values, with `$1` for Postgres and `?1` for SQLite. A name follows a single colon; `::` is a cast.
function numberValues(sql: string, sign: '$' | '?'): { text: string; order: string[] } {
  const order: string[] = [];
  const text = sql.replaceAll(/(?<!:):([a-z_]+)/g, (_whole, name: string) => {
    if (name === 'now' && sign === '$') return presentOnPostgres;
    if (!order.includes(name)) order.push(name);
    return `${sign}${order.indexOf(name) + 1}`;
  });
  return { text, order };
}

function revive(found: Record<string, unknown>[], isoTimes: boolean, columns: object | undefined): object[] {
  if (columns) for (const row of found) reviveRow(row, columns);
  return isoTimes ? found.map(withIsoTimes) : found;
}

// For the ways on which the driver has made Dates.
function withIsoTimes(row: object): object {
  for (const [name, value] of Object.entries(row)) {
    if (value instanceof Date) Object.assign(row, { [name]: value.toISOString() });
  }
  return row;
}

let reported = 0;

// Emits the events that Knex emits for its own queries, so that traces include these statements.
function reportQuery(client: EventEmitter, sql: string): (event: string, what: unknown) => void {
  reported += 1;
  const query = { sql, __knexQueryUid: `prepared-${reported}` };
  client.emit('query', query);
  return (event, what) => void client.emit(event, what, query);
}
