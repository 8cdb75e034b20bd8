// The SQLite side of a database: its Knex client, its settings, and the types that SQLite does not give its values.
import type { Knex } from 'knex';
import SqliteClient, { type SqliteBuilder } from 'knex/lib/dialects/sqlite3/index.js';
import { columnsOfTable, reviveRow } from './columns.ts';
import { type DatabaseOptions, type Done, log } from './knex_options.ts';
import { createPrivateFile } from './sqlite_files.ts';

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

/** Settings of Knex for the database in `filename`. */
export function sqliteConfig(filename: string, { wait = 30_000 }: DatabaseOptions): Knex.Config {
  createPrivateFile(filename);
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
