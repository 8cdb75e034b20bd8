// The migrated template databases from which the tests' databases are copied, because migrating each one would be slow.
import { join } from 'node:path';
import pg from 'pg';
import '../../src/core/tables.ts';
import { openDatabase } from '../../src/core/store/db.ts';
import { migrate } from '../../src/core/store/migrate.ts';
import { loadKeys } from './keys.ts';
import { startPostgres } from './postgres.ts';
import { makeScratch } from './scratch.ts';

export const templateName = 'kindred_template';

export interface Template {
  /** The URL of the database `postgres`, or the path of the SQLite file. */
  address: string;
  stop(): Promise<void>;
}

/** Starts a Postgres and migrates a template database in it. */
export async function makePostgresTemplate(): Promise<Template> {
  const postgres = await startPostgres();
  await query(postgres.url, `create database ${templateName}`);
  await fill(databaseUrl(postgres.url, templateName));
  // `create database … template` fails while a connection to the template exists; this forbids connections.
  await query(postgres.url, `alter database ${templateName} with is_template true allow_connections false`);
  return { address: postgres.url, stop: postgres.stop };
}

/** Migrates a template file; the databases of the run lie beside it and are removed with it. */
export async function makeSqliteTemplate(): Promise<Template> {
  const scratch = await makeScratch();
  const address = join(scratch.path, 'template.sqlite');
  await fill(`sqlite:${address}`);
  return { address, stop: scratch.remove };
}

// With keys, because making RSA keys for each database would take longer than most tests.
async function fill(url: string): Promise<void> {
  await migrate(url);
  const db = openDatabase(url);
  await loadKeys(db);
  await db.destroy();
}

/** Runs one statement on a connection of its own. */
export async function query(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

/** The URL of another database on the Postgres of `url`. */
export function databaseUrl(url: string, name: string): string {
  return Object.assign(new URL(url), { pathname: `/${name}` }).href;
}
