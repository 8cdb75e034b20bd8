// Statements that may take seconds: on a connection of their own, one after the other, each under a time limit.
import type { Knex } from 'knex';
import { type Db, isPostgres, openDatabase, rows } from '../store/db.ts';

/**
 * Runs `read` on a connection of its own, so that no request waits for it. A statement is cancelled after `seconds`, or when the
 * signal is aborted, and fails. `db` is the database of the requests at `url`; it is only asked for the cancellation.
 */
export async function readAside<Result>(
  { db, url, seconds, signal }: { db: Knex; url: string; seconds: number; signal?: AbortSignal | undefined },
  read: (aside: Db) => Promise<Result>,
): Promise<Result> {
  const aside = openDatabase(url, { pool: 1, name: 'kindred statistics' });
  try {
    signal?.throwIfAborted();
    return isPostgres(aside)
      ? await readInPostgres(db, aside, { seconds, signal }, read)
      : await readInSqlite(aside, { seconds, signal }, read);
  } finally {
    await aside.destroy();
  }
}

interface Limit {
  seconds: number;
  signal: AbortSignal | undefined;
}

async function readInPostgres<Result>(
  db: Knex,
  aside: Knex,
  { seconds, signal }: Limit,
  read: (aside: Db) => Promise<Result>,
): Promise<Result> {
  return await aside.transaction(
    async (tx) => {
      await tx.raw(`set local statement_timeout = '${seconds}s'`);
      // One processor at most: the others answer requests.
      await tx.raw('set local max_parallel_workers_per_gather = 0');
      const [backend] = await rows<{ pid: number }>(tx, 'select pg_backend_pid() as pid');
      const cancel = () => void db.raw('select pg_cancel_backend(?)', [backend?.pid ?? 0]).catch(() => {});
      signal?.addEventListener('abort', cancel);
      try {
        return await read(tx);
      } finally {
        signal?.removeEventListener('abort', cancel);
      }
    },
    { readOnly: true },
  );
}

interface Interruptible {
  interrupt: () => void;
}

// The driver reads in a thread of its own, and readers hold no lock that a writer waits for.
async function readInSqlite<Result>(
  aside: Knex,
  { seconds, signal }: Limit,
  read: (aside: Db) => Promise<Result>,
): Promise<Result> {
  const connection: Interruptible = await aside.client.acquireConnection();
  await aside.client.releaseConnection(connection);
  const interrupt = () => connection.interrupt();
  const timer = setTimeout(interrupt, seconds * 1_000).unref();
  signal?.addEventListener('abort', interrupt);
  try {
    return await read(aside);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', interrupt);
  }
}
