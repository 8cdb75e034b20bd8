// The SQLite side of a database: its Knex client, its settings, and the types that SQLite does not give to values.
import type { Knex } from 'knex';
import SqliteClient, { type SqliteBuilder } from 'knex/lib/dialects/sqlite3/index.js';
import type { Database } from 'sqlite3';
import { columnsOfTable, reviveRow } from './columns.ts';
import { reviveByName } from './columns_by_name.ts';
import { type DatabaseOptions, type Done, log } from './knex_options.ts';
import { createPrivateFile } from './sqlite_files.ts';
import { finalizeStatements } from './sqlite_groups.ts';

/**
 * SQLite with BEGIN IMMEDIATE. A deferred transaction that reads and then writes fails with SQLITE_BUSY when another
 * process wrote in between, and no timeout helps: with three processes 125 of 300 failed, with BEGIN IMMEDIATE none.
 */
class ImmediateSqliteClient extends SqliteClient {
  override transaction(...args: unknown[]) {
    const transaction = super.transaction(...args);
    transaction.begin = async (connection) => await transaction.query(connection, 'BEGIN IMMEDIATE;');
    return transaction;
  }

  override async destroyRawConnection(connection: Database): Promise<void> {
    await finalizeStatements(connection);
    await super.destroyRawConnection(connection);
  }

  // Attaches the declared columns of the table that a query reads (columns.ts), by which its rows get their types.
  override queryCompiler(builder: SqliteBuilder, formatter?: unknown): unknown {
    const columns = columnsOfTable(builder._single.table);
    if (columns && !builder.queryContext()) builder.queryContext({ columns });
    return super.queryCompiler(builder, formatter);
  }
}

/** Settings of Knex for the database in `filename`. */
export function sqliteConfig(
  filename: string,
  { wait = 30_000, columnsByName = false }: DatabaseOptions,
): Knex.Config {
  createPrivateFile(filename);
  return {
    client: ImmediateSqliteClient,
    connection: { filename },
    useNullAsDefault: true,
    log,
    acquireConnectionTimeout: wait,
    postProcessResponse: columnsByName ? reviveGuessed : reviveDeclared,
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

// Gives the rows of a query the types of its declared columns.
function reviveDeclared(result: unknown, context: { columns?: object } | undefined): unknown {
  const columns = context?.columns;
  if (columns) for (const row of rowsOf(result)) reviveRow(row, columns);
  return result;
}

function reviveGuessed(result: unknown): unknown {
  for (const row of rowsOf(result)) reviveByName(row);
  return result;
}

function rowsOf(result: unknown): Record<string, unknown>[] {
  const all = Array.isArray(result) ? result : [result];
  return all.filter((row) => row !== null && typeof row === 'object' && !Buffer.isBuffer(row));
}
