// Brings a database to the schema of this version, however many processes start at once.
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Knex } from 'knex';
import { openDatabase } from './db.ts';
import { migrationName, type WaitReporter, withMigrationLock } from './migration_lock.ts';

const directory = fileURLToPath(new URL('../../../migrations', import.meta.url));
const migrations = { directory, loadExtensions: ['.ts'] };

/**
 * Runs the missing migrations and returns their names. Safe to call from many processes at once, on both databases: one
 * migrates, the others wait and report to `onWait` what they wait for.
 */
export async function migrate(url: string, onWait: WaitReporter = () => {}): Promise<string[]> {
  return await withMigrationLock(url, onWait, () => runMissing(url));
}

/**
 * True when the database has every migration that this version knows. A database that is newer than this node is ready as
 * well: during a rolling upgrade the old nodes continue.
 */
export async function isMigrated(db: Knex): Promise<boolean> {
  // Knex would create its tables to find out, in a database that may belong to another program.
  if (!(await db.schema.hasTable('knex_migrations'))) return false;
  const [completed, missing] = await pendingMigrations(db);
  return completed > 0 && missing === 0;
}

/** The number of migrations that are missing, and of those in the database that only a newer version knows. */
export async function compareMigrations(db: Knex): Promise<{ missing: number; newer: number }> {
  if (!(await db.schema.hasTable('knex_migrations')))
    return { missing: (await readdir(directory)).length, newer: 0 };
  const [, missing] = await pendingMigrations(db);
  return { missing, newer: (await listUnknown(db)).length };
}

async function pendingMigrations(db: Knex): Promise<[number, number]> {
  // Without this Knex reports a corrupt folder when the database has migrations of a newer version.
  const options = { ...migrations, disableMigrationsListValidation: true };
  const [completed, pending] = (await db.migrate.list(options)) as [unknown[], unknown[]];
  return [completed.length, pending.length];
}

async function runMissing(url: string): Promise<string[]> {
  const db = openDatabase(url, { pool: 2, name: migrationName, columnsByName: true });
  try {
    // Without a write when nothing is missing: it would wait for a standby, and a node must start while the standby is away.
    if ((await isNewer(db)) || (await isMigrated(db))) return [];
    // Knex's own lock remains when a process dies in the middle. Kindred's lock is held here, so no process is migrating.
    if (await db.schema.hasTable('knex_migrations_lock'))
      await db.migrate.forceFreeMigrationsLock(migrations);
    return await runDespiteDeadlocks(db);
  } finally {
    await db.destroy();
  }
}

// A migration that changes two tables may wait for a request of a running node that waits for the migration. Postgres then undoes
// one of them. If it was the migration, it runs again: those before it stay, and each is either one transaction or can be repeated.
async function runDespiteDeadlocks(db: Knex): Promise<string[]> {
  const before = new Set(await listApplied(db));
  for (let tries = 1; ; tries += 1) {
    try {
      await db.migrate.latest(migrations);
      return (await listApplied(db)).filter((name) => !before.has(name));
    } catch (error) {
      if ((error as { code?: string }).code !== deadlock || tries >= mostTries) throw error;
    }
  }
}

/** deadlock_detected. Postgres takes a second to find one, so that requests pass in between. */
const deadlock = '40P01';
const mostTries = 20;

async function isNewer(db: Knex): Promise<boolean> {
  return (await listUnknown(db)).length > 0;
}

async function listUnknown(db: Knex): Promise<string[]> {
  const known = await readdir(directory);
  return (await listApplied(db)).filter((name) => !known.includes(name));
}

async function listApplied(db: Knex): Promise<string[]> {
  if (!(await db.schema.hasTable('knex_migrations'))) return [];
  return await db('knex_migrations').orderBy('id').pluck('name');
}
