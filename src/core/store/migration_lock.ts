// The lock under which one process at a time migrates a database. A process that waits reports what it waits for.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Knex } from 'knex';
import { openDatabase } from './db.ts';
import { openPostgresClient, type PostgresClient } from './postgres_client.ts';

/** The application name of the connections of a migration at Postgres. */
export const migrationName = 'kindred migrate';

/** Receives what a migration waits for. */
export type WaitReporter = (text: string, data: object) => void;

// Any number that no other program on the same Postgres uses for an advisory lock.
const migrationLock = 7_162_534_418;

/** Milliseconds until a wait is reported, and between two reports. */
const firstReport = 1_000;
const reportInterval = 30_000;

/** Milliseconds after which the wait for another process on SQLite ends in an error. */
const maxWait = 120_000;

/** Runs `work` under the lock of the database at `url`. A wait is reported only where another process holds the lock. */
export async function withMigrationLock<Result>(
  url: string,
  onWait: WaitReporter,
  work: () => Promise<Result>,
): Promise<Result> {
  return url.startsWith('sqlite:')
    ? await lockFile(url, onWait, work)
    : await lockAdvisory(url, onWait, work);
}

// The lock has a connection of its own for the whole run: on a pooled connection it would be re-entrant.
async function lockAdvisory<Result>(
  url: string,
  onWait: WaitReporter,
  work: () => Promise<Result>,
): Promise<Result> {
  const holder = await openPostgresClient(url, migrationName);
  try {
    if (!(await tryLock(holder))) {
      const waiting = reportWhileWaiting(async () => {
        onWait('waiting for another process that migrates the database', {
          held_by: await findLockHolders(holder),
        });
      });
      await takeLock(holder).finally(waiting.stop);
    }
    const blocked = reportWhileWaiting(async () => {
      const held_by = await findBlockers(holder);
      if (held_by.length > 0) onWait('the migration waits for a lock in the database', { held_by });
    });
    return await work().finally(blocked.stop);
  } finally {
    await holder.end();
  }
}

// Polls for the lock: a statement that waited for it would keep a snapshot open, and an index that the migration builds
// concurrently waits for all open snapshots.
async function takeLock(holder: PostgresClient): Promise<void> {
  do await sleep(100);
  while (!(await tryLock(holder)));
}

async function tryLock(holder: PostgresClient): Promise<boolean> {
  const { rows } = await holder.query('select pg_try_advisory_lock($1) as is_ours', [migrationLock]);
  return rows[0]?.is_ours;
}

const holderColumns =
  'a.pid, a.application_name, host(a.client_addr) as address, a.state, a.query_start as since';

async function findLockHolders(client: PostgresClient): Promise<object[]> {
  const { rows } = await client.query(
    `select ${holderColumns} from pg_locks l join pg_stat_activity a using (pid)
      where l.locktype = 'advisory' and l.granted and l.objsubid = 1 and a.datname = current_database()
        and (l.classid::bigint << 32) + l.objid::bigint = $1`,
    [migrationLock],
  );
  return rows;
}

// The sessions that block the statements of a migration: often a transaction that was left open, or a backup.
async function findBlockers(client: PostgresClient): Promise<object[]> {
  const { rows } = await client.query(
    `select distinct ${holderColumns} from pg_stat_activity w
      cross join unnest(pg_blocking_pids(w.pid)) as blocking(pid) join pg_stat_activity a on a.pid = blocking.pid
      where w.application_name = $1 and w.datname = current_database()`,
    [migrationName],
  );
  return rows;
}

// On SQLite the lock is a file beside the database: the system releases it when the process dies, however it dies. The only
// connection of the pool holds it until it is closed.
async function lockFile<Result>(
  url: string,
  onWait: WaitReporter,
  work: () => Promise<Result>,
): Promise<Result> {
  const lock = openDatabase(`${url}.lock`);
  const file = `${url.slice('sqlite:'.length)}.lock`;
  try {
    if (!(await begin(lock, 0))) {
      const waiting = reportWhileWaiting(async () => {
        onWait('waiting for another process that migrates the database', { file });
      });
      if (!(await begin(lock, maxWait).finally(waiting.stop)))
        throw new Error(`another process has held ${file} for ${maxWait / 1000} seconds`);
    }
    return await work();
  } finally {
    await lock.destroy();
  }
}

// False when another process still holds the lock after a wait of `wait` milliseconds.
async function begin(lock: Knex, wait: number): Promise<boolean> {
  await lock.raw(`pragma busy_timeout = ${wait}`);
  try {
    await lock.raw('begin immediate');
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === 'SQLITE_BUSY') return false;
    throw error;
  }
}

/** Calls `report` after a second and then every half minute, until stopped; a report that fails is left out. */
function reportWhileWaiting(report: () => Promise<void>): { stop: () => void } {
  const quietly = () => void report().catch(() => {});
  let timer = setTimeout(() => {
    quietly();
    timer = setInterval(quietly, reportInterval);
  }, firstReport);
  return { stop: () => clearTimeout(timer) };
}
