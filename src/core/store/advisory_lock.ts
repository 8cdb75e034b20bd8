// One node at a time: a lock that a job holds from its first statement to its last.
import { createHash } from 'node:crypto';
import { openDatabase } from './db.ts';
import { createPostgresClient } from './postgres_client.ts';

// The first of the two numbers of a Postgres advisory lock, so that ours are told from those of others.
const lockSpace = 71_625_344;

type Work<Result> = (lost: AbortSignal) => Promise<Result>;

/**
 * Runs `work` under the lock `name` of the database at `url`; null, and at once, when another process or another job
 * here holds it. The signal that `work` gets is aborted when the lock is lost on the way.
 */
export async function withJobLock<Result extends object>(
  url: string,
  name: string,
  work: Work<Result>,
): Promise<Result | null> {
  return url.startsWith('sqlite:') ? await lockFile(url, name, work) : await lockAdvisory(url, name, work);
}

// A connection of its own for the whole job: on a pooled one the lock would be re-entrant, and would stay behind with
// whoever gets that connection next. It is outside a transaction, so it keeps nothing from being vacuumed.
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

// SQLite locks a file beside the database: the system releases such a lock when its process dies, however it dies. The
// one connection of the pool holds it until it is closed.
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
      (error) => refuseUnlessBusy(error),
    );
    return isHeld ? await work(new AbortController().signal) : null;
  } finally {
    await lock.destroy();
  }
}

function refuseUnlessBusy(error: { code?: string }): false {
  if (error.code !== 'SQLITE_BUSY') throw error;
  return false;
}
