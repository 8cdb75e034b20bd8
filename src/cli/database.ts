// The database of a command: the one of DATABASE_URL, which must have been migrated; and the command that does that.
import { existsSync } from 'node:fs';
import { type Config, loadConfig } from '../../config/index.ts';
import '../core/tables.ts';
import type { Initiator } from '../core/actions/initiator.ts';
import { openDatabase } from '../core/store/db.ts';
import { isMigrated, migrate } from '../core/store/migrate.ts';
import { findPoolerProblem } from '../core/store/pooler.ts';
import { type Answer, CommandError } from './output.ts';

type Database = ReturnType<typeof openDatabase>;

/** Who does it, in the trail: an operator, of whom no more is known. */
export const byCommand: Initiator = { actor: 'admin' };

/** Runs the missing migrations. */
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

/** Gives `run` the database and closes it afterwards. Refuses one that has not been migrated, and leaves it as it is. */
export async function withDatabase<Result>(
  run: (db: Database, config: Config) => Promise<Result>,
): Promise<Result> {
  const config = loadConfig();
  // Opening would create the file.
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
