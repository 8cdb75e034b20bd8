// The database: two dialects behind one Knex, and the few words of SQL in which they differ.
import type { Socket } from 'node:net';
import knexModule, { type Knex } from 'knex';
import SqliteClient, { type SqliteBuilder } from 'knex/lib/dialects/sqlite3/index.js';
import pg from 'pg';
import { type ColumnsOf, columnsOfTable, type Json, reviveRow } from './columns.ts';
import { noteDatabaseError } from './database_errors.ts';
import { PostgresClient } from './postgres_client.ts';
import { makePrivately } from './sqlite_files.ts';

/** Everything in `core/` takes this first: the database, or a transaction in it. */
export type Db = Knex | Knex.Transaction;

// count(*) and int8 come as strings otherwise; nothing that we count exceeds 2^53.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

// A row of a list has three or four times, and the usual parser takes as long for one as for all else in the row. What
// has another form than a session in UTC gives (a year before 1000, another zone) is left to it.
const parseTime = pg.types.getTypeParser(pg.types.builtins.TIMESTAMPTZ);
const utc = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,3})?\+00$/;
pg.types.setTypeParser(pg.types.builtins.TIMESTAMPTZ, (text) =>
  utc.test(text) ? new Date(`${text.slice(0, 10)}T${text.slice(11, -3)}Z`) : parseTime(text),
);

/** A time as Postgres writes it, as a Date writes itself (ISO 8601, milliseconds, UTC). */
export function isoOf(text: string): string {
  if (!utc.test(text)) return parseTime(text).toISOString();
  return `${text.slice(0, 10)}T${text.slice(11, 19)}.${text.slice(20, -3).padEnd(3, '0')}Z`;
}

/**
 * SQLite with BEGIN IMMEDIATE. A deferred transaction that reads and then writes fails with SQLITE_BUSY when another
 * process wrote in between, and no timeout helps: 125 of 300 did with three processes, none this way.
 */
class ImmediateSqliteClient extends SqliteClient {
  override transaction(...args: unknown[]) {
    const transaction = super.transaction(...args);
    transaction.begin = (connection: unknown) => transaction.query(connection, 'BEGIN IMMEDIATE;');
    return transaction;
  }

  // What is read comes with the table that it is read from, so that its columns get their types (columns.ts).
  override queryCompiler(builder: SqliteBuilder, formatter: unknown): unknown {
    const columns = columnsOfTable(builder._single.table);
    if (columns && !builder.queryContext()) builder.queryContext({ columns });
    return super.queryCompiler(builder, formatter);
  }
}

interface Options {
  /** Connections to Postgres. */
  pool?: number;
  /** What Postgres calls the connections. */
  name?: string;
  /** Milliseconds after which a connection to Postgres that owes an answer counts as dead; unset, it may take hours. */
  silence?: number;
  /** Milliseconds for which a statement waits for a connection; unset, as long as an app in front of a person may. */
  wait?: number;
}

/** Opens the database that `url` names (`sqlite:<path>` or `postgres://…`). */
export function openDatabase(url: string, options: Options = {}): Knex {
  const db = knexModule(knexConfig(url, options));
  if (isPostgres(db)) db.client.driver = { ...pg, Client: PostgresClient };
  db.on('query-error', noteDatabaseError);
  db.client.pool?.on('acquireFail', (_event: unknown, error: unknown) => noteDatabaseError(error));
  return db;
}

// Knex would warn on stdout, past our log and into what a command prints, of what it also throws: a connection that failed.
const log = { warn() {} };

/** What Knex wants to know of `url`; also used by knexfile.ts. */
export function knexConfig(url: string, options: Options = {}): Knex.Config {
  return url.startsWith('sqlite:')
    ? sqliteConfig(url.slice('sqlite:'.length), options)
    : postgresConfig(url, options);
}

function sqliteConfig(filename: string, { wait = 30_000 }: Options): Knex.Config {
  makePrivately(filename);
  return {
    client: ImmediateSqliteClient as unknown as typeof Knex.Client,
    connection: { filename },
    useNullAsDefault: true,
    log,
    acquireConnectionTimeout: wait,
    postProcessResponse: reviveRows,
    pool: { min: 1, max: 1, afterCreate: prepareSqlite },
  };
}

/**
 * Milliseconds for which a request waits for a connection, and a connection for a Postgres that does not answer. Whoever
 * waits is an app in front of a person: it is told to come again before it gives up by itself (mobile apps often do after
 * ten seconds), and a pool that is full for this long is not about to empty.
 */
const patience = 5_000;

function postgresConfig(
  connectionString: string,
  { pool: max = 10, name = 'kindred', silence, wait = patience }: Options,
): Knex.Config {
  const connection = {
    connectionString,
    application_name: name,
    // Less than the wait for the pool, so that it ends with what is wrong.
    connectionTimeoutMillis: wait - 1_000,
    // A host that is gone without a word is noticed on idle connections too: Node probes every second from then on,
    // ten times.
    keepAlive: true,
    keepAliveInitialDelayMillis: 5_000,
    // Whoever has a connection may send several statements at once (pipeline.ts). Knex's types do not know it.
    pipeline: true,
  };
  return {
    client: 'pg',
    log,
    connection,
    acquireConnectionTimeout: wait,
    pool: { min: 0, max, ...(silence ? { afterCreate: limitSilence(silence) } : {}) },
  };
}

type Done = (error: Error | null, connection: unknown) => void;

// The probes of TCP say nothing of a connection on which something is under way, and the system sends that again for a
// quarter of an hour: with its host gone, every connection of the pool would wait for so long.
function limitSilence(silence: number) {
  return (connection: pg.Client, done: Done): void => {
    const { stream } = connection.connection as unknown as { stream: Socket };
    stream.setTimeout(silence).on('timeout', () => {
      const isIdle = (connection as unknown as { readyForQuery: boolean }).readyForQuery;
      if (!isIdle) stream.destroy(new Error('Connection terminated: Postgres does not answer'));
    });
    done(null, connection);
  };
}

// busy_timeout comes first: the switch to WAL itself may find the file busy.
function prepareSqlite(
  connection: { exec: (sql: string, done: (error: Error | null) => void) => void },
  done: Done,
): void {
  connection.exec(
    'pragma busy_timeout = 10000; pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on;',
    (error) => done(error, connection),
  );
}

/** True when `db` speaks Postgres. */
export function isPostgres(db: Db): boolean {
  return db.client.config.client === 'pg';
}

/**
 * The present, as SQL. On Postgres the database's own clock decides, so that nodes whose clocks differ agree; SQLite
 * is one machine, and its `now` is text, which never compares with a stored Date. Whole milliseconds, so that what is
 * stored comes back through a Date unchanged (cursors compare it). `at` is for tests.
 */
export function present(db: Db, at?: Date): Knex.Raw {
  if (!isPostgres(db)) return db.raw('?', [at ?? new Date()]);
  return at ? db.raw('?::timestamptz', [at]) : db.raw(presentOnPostgres);
}

/** The same as text, for statements that are prepared once. */
export const presentOnPostgres = "date_trunc('milliseconds', now())";

/** What time it is by the clock that decides. */
export async function readClock(db: Db): Promise<Date> {
  const [row] = await rows<{ now_at: Date }>(db, 'select :now as now_at', { now: present(db) });
  if (!row) throw new Error('the database does not tell the time');
  return row.now_at;
}

/** SQL for `column + seconds`, where `seconds` is a column or a placeholder that holds whole seconds. */
export function later(db: Db, column: string, seconds: string): string {
  return isPostgres(db)
    ? `(${column} + ${seconds} * interval '1 second')`
    : `(${column} + ${seconds} * 1000)`;
}

/** Values of a raw statement: in the order of its `?`, or by the names that stand behind colons in it. */
export type Bindings = Knex.RawBinding[] | Record<string, Knex.RawBinding>;

/** The rows of a raw statement, on either database; `columns` types what SQLite does not. */
export async function rows<Row>(
  db: Db,
  sql: string,
  bindings: Bindings = [],
  ...[columns]: ColumnsOf<Row> | []
): Promise<Row[]> {
  return await readRows(db, sql, bindings, columns);
}

/** The same where the caller answers for the columns. */
export async function readRows<Row>(
  db: Db,
  sql: string,
  bindings: Bindings,
  columns: object | undefined,
): Promise<Row[]> {
  const raw = db.raw(sql, bindings as Knex.RawBinding[]);
  const result = await (columns ? raw.queryContext({ columns }) : raw);
  return Array.isArray(result) ? result : result.rows;
}

/**
 * What a JSON column is given on a write: SQLite would store an array as `[object Object]`. Postgres takes neither NUL
 * nor half a surrogate pair, and both may stand in what a stranger sends: they become U+FFFD.
 */
export function json(value: unknown): Json {
  const text = JSON.stringify(value);
  // Hardly any text has an escape at all.
  if (!text.includes('\\u')) return text as Json;
  return text.replace(/(?<!\\)((?:\\\\)*)\\u(?:0000|d[89a-f]..)/g, '$1\\ufffd') as Json;
}

/** False for a text that no column can hold, and that no row is found by: Postgres refuses NUL with an error. */
export function isText(value: string): boolean {
  return !value.includes('\0');
}

/** True when `error` is a violated unique index, on either database. */
export function isUniqueViolation(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string };
  return code === '23505' || (code === 'SQLITE_CONSTRAINT' && message?.includes('UNIQUE') === true);
}

/** True when `error` is a violated foreign key: what a row points to has just been removed. */
export function isForeignKeyViolation(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string };
  return code === '23503' || (code === 'SQLITE_CONSTRAINT' && message?.includes('FOREIGN KEY') === true);
}

const jsonColumns = new Set([
  'roles',
  'permissions',
  'metadata',
  'secrets',
  'grant_payload',
  'token_payload',
  'payload',
  'public_jwk',
  'granted',
  'detail',
  'which',
  'ending',
]);
const booleanColumns = new Set([
  'first_party',
  'is_expired',
  'is_active',
  'is_current',
  'is_live',
  'is_plain',
  'is_current_version',
  'is_ready',
  'is_revoked',
  'user_is_active',
  'in_window',
  'client_exists',
]);

// SQLite has neither dates nor booleans nor JSON.
function reviveRows(result: unknown, context: { columns?: object } | undefined): unknown {
  const all = Array.isArray(result) ? result : [result];
  for (const row of all) {
    if (row === null || typeof row !== 'object' || Buffer.isBuffer(row)) continue;
    if (context?.columns) reviveRow(row as Record<string, unknown>, context.columns);
    else reviveByName(row as Record<string, unknown>);
  }
  return result;
}

// For tables and statements that have not declared their columns.
function reviveByName(row: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(row)) {
    if (value === null) continue;
    if (name.endsWith('_at') && typeof value === 'number') row[name] = new Date(value);
    else if (booleanColumns.has(name)) row[name] = value === 1;
    else if (jsonColumns.has(name) && typeof value === 'string') row[name] = JSON.parse(value);
  }
}
