// The database of a command: that of DATABASE_URL, which must be migrated. Also `migrate`, the command that does it.
import { existsSync } from 'node:fs';
import { type Config, loadConfig } from '../../config/index.ts';
import '../core/tables.ts';
import type { Initiator } from '../core/actions/initiator.ts';
import { openDatabase } from '../core/store/db.ts';
import { isMigrated, migrate } from '../core/store/migrate.ts';
import { findPoolerProblem } from '../core/store/pooler.ts';
import { type Answer, CommandError } from './output.ts';

type Database = ReturnType<typeof openDatabase>;

/** The actor in the audit trail: an administrator without an id, because a command does not know its user. */
export const byCommand: Initiator = { actor: 'admin' };

/** `migrate`: runs the missing migrations. */
export async function migrateDatabase(): Promise<Answer> {
  const config = loadConfig();
  const { databaseUrl } = config;
  const problem = await findPoolerProblem(config);
  if (problem) throw new CommandError(problem);
  const migrations = await migrate(config.databaseDirectUrl, (text, data) =>
    console.error(`kindred: ${text}: ${JSON.stringify(data)}`),
  );
  const text =
    migrations.length > 0
      ? `migrated ${describeDatabase(databaseUrl)}: ${migrations.join(', ')}`
      : `nothing to migrate: ${describeDatabase(databaseUrl)} is up to date`;
  return { data: { migrations }, text };
}

/** Runs `run` with the database and closes it. Refuses a database that is not migrated, without changing it. */
export async function withDatabase<Result>(
  run: (db: Database, config: Config) => Promise<Result>,
): Promise<Result> {
  const config = loadConfig();
  // Opening an SQLite file that does not exist would create it.
  if (!hasFile(config.databaseUrl)) throw notMigrated(config.databaseUrl);
  const db = openDatabase(config.databaseUrl, { pool: 2 });
  try {
    if (!(await isMigrated(db))) throw notMigrated(config.databaseUrl);
    return await run(db, config);
  } finally {
    await db.destroy();
  }
}

function hasFile(url: string): boolean {
  return !url.startsWith('sqlite:') || existsSync(url.slice('sqlite:'.length));
}

function notMigrated(url: string): CommandError {
  return new CommandError(`${describeDatabase(url)} has not been migrated; run "npm run migrate" first`);
}

// Without the password that the URL may hold.
function describeDatabase(url: string): string {
  if (url.startsWith('sqlite:')) return `the database ${url}`;
  const { host, pathname } = new URL(url);
  return `the database postgres://${host}${pathname}`;
}
