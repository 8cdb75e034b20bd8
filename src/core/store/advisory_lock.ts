// The lock under which one node at a time runs a job, from the first statement of the job to its last.
import { createHash } from 'node:crypto';
import { openDatabase } from './db.ts';
import { createPostgresClient } from './postgres_client.ts';

// The first of the two numbers of an advisory lock of Postgres; it separates Kindred's locks from those of other programs.
const lockSpace = 71_625_344;

type Work<Result> = (lost: AbortSignal) => Promise<Result>;

/**
 * Runs `work` under the lock `name` of the database at `url`. Returns null at once when another process, or another job of
 * this process, holds the lock. The signal that `work` receives is aborted when the lock is lost meanwhile.
 */
export async function withJobLock<Result extends object>(
  url: string,
  name: string,
  work: Work<Result>,
): Promise<Result | null> {
  return url.startsWith('sqlite:') ? await lockFile(url, name, work) : await lockAdvisory(url, name, work);
}

// The lock has a connection of its own for the whole job: on a pooled connection it would be re-entrant, and the next user
// of the connection would keep holding it. It is held outside a transaction, so it does not hold back vacuum.
async function lockAdvisory<Result extends object>(
  url: string,
  name: string,
  work: Work<Result>,
): Promise<Result | null> {
  const lost = new AbortController();
  const holder = createPostgresClient(url, `kindred ${name}`, {
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
  });
  holder.on('error', (error) => lost.abort(error));
  holder.on('end', () => lost.abort(new Error('the connection that held the lock has ended')));
  await holder.connect();
  try {
    const key = createHash('sha256').update(name).digest().readInt32BE();
    const { rows } = await holder.query('select pg_try_advisory_lock($1, $2) as locked', [lockSpace, key]);
    return rows[0]?.locked ? await work(lost.signal) : null;
  } finally {
    await holder.end().catch(() => {});
  }
}

// On SQLite the lock is a file beside the database: the system releases it when the process dies, however it dies. The only
// connection of the pool holds it until it is closed.
async function lockFile<Result extends object>(
  url: string,
  name: string,
  work: Work<Result>,
): Promise<Result | null> {
  const lock = openDatabase(`${url}.${name}.lock`);
  try {
    await lock.raw('pragma busy_timeout = 0');
    const isHeld = await lock.raw('begin immediate').then(
      () => true,
      (error) => falseIfBusy(error),
    );
    return isHeld ? await work(new AbortController().signal) : null;
  } finally {
    await lock.destroy();
  }
}

function falseIfBusy(error: { code?: string }): false {
  if (error.code !== 'SQLITE_BUSY') throw error;
  return false;
}
