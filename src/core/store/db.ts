// The database: opening it and running SQL on it, in either dialect.
import knexModule, { type Knex } from 'knex';
import type { ColumnsOf } from './columns.ts';
import { markDatabaseError } from './database_errors.ts';
import type { DatabaseOptions } from './knex_options.ts';
import { postgresConfig } from './postgres.ts';
import { sqliteConfig } from './sqlite.ts';

/** The first parameter of every function in `core/`: the database, or a transaction in it. */
export type Db = Knex | Knex.Transaction;

/** Opens the database that `url` names (`sqlite:<path>` or `postgres://…`). */
export function openDatabase(url: string, options: DatabaseOptions = {}): Knex {
  const db = knexModule(knexConfig(url, options));
  db.on('query-error', markDatabaseError);
  db.client.pool?.on('acquireFail', (_event: unknown, error: unknown) => markDatabaseError(error));
  return db;
}

/** The configuration of Knex for the database at `url`; knexfile.ts uses it too. */
export function knexConfig(url: string, options: DatabaseOptions = {}): Knex.Config {
  return url.startsWith('sqlite:')
    ? sqliteConfig(url.slice('sqlite:'.length), options)
    : postgresConfig(url, options);
}

/** True when `db` is a Postgres, false when it is a SQLite. */
export function isPostgres(db: Db): boolean {
  return db.client.config.client === 'pg';
}

/** Values of a raw statement: in the order of its `?`, or by the names that follow a colon in it. */
export type Bindings = Knex.RawBinding[] | Record<string, Knex.RawBinding>;

/** The rows of a raw statement, on either database; `columns` are those that SQLite has no type for. */
export function rows<Row>(
  db: Db,
  sql: string,
  bindings: Bindings = [],
  ...[columns]: ColumnsOf<Row>
): Promise<Row[]> {
  return readRows(db, sql, bindings, columns);
}

/** The same where the caller guarantees that `columns` fit the row. */
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
