// Sends statements that are asked for at the same moment to Postgres together. One at a time, a refresh spends more on its
// two system calls, on the pool and on waking Postgres than on its statement (docs/decisions/007).
import type { Client } from 'pg';
import { type Execution, executeAll, type Prepared, type Row } from './prepared_query.ts';

/** What lends connections: Knex's client with its pool, so that limits and recovery are the same for all statements. */
export interface Pool {
  acquireConnection: () => Promise<Client>;
  releaseConnection: (connection: Client) => unknown;
}

/**
 * Whether a statement waits for a synchronous standby. `standby`: what opens, ends or changes something waits where there is
 * one. `local`: a read, or a write that contains `localCommitSql` (local_commit.ts); it waits for the primary's disk alone.
 */
export type Commit = 'standby' | 'local';

/**
 * The largest number of statements that share a connection. They are executed one after the other, so each may have to wait
 * for the others: for their commits, and for a lock that one of them waits for.
 */
const maxGroup = 8;

// Groups that still wait for their connection and that further statements may join. Statements that wait for a standby have a
// group of their own: the others would have to wait with them.
const groups = {
  standby: new WeakMap<Pool, Execution[]>(),
  local: new WeakMap<Pool, Execution[]>(),
};

/** The rows of a fast statement; it may share a connection with other statements of the same moment. */
export function executePipelined(
  pool: Pool,
  commit: Commit,
  prepared: Prepared,
  values: unknown[],
): Promise<Row[]> {
  const waiting = groups[commit];
  const { promise, ...settle } = Promise.withResolvers<Row[]>();
  const execution = { prepared, values, ...settle };
  const group = waiting.get(pool);
  if (group) {
    group.push(execution);
    if (group.length === maxGroup) waiting.delete(pool);
  } else {
    const opened = [execution];
    waiting.set(pool, opened);
    // After everything that arrived together with this statement has been processed.
    setImmediate(() => send(pool, waiting, opened));
  }
  return promise;
}

/** The rows of a slow statement; no other statement shares its connection. */
export function executeAlone(
  pool: Pool,
  commit: Commit,
  prepared: Prepared,
  values: unknown[],
): Promise<Row[]> {
  const { promise, ...settle } = Promise.withResolvers<Row[]>();
  void send(pool, groups[commit], [{ prepared, values, ...settle }]);
  return promise;
}

async function send(pool: Pool, waiting: WeakMap<Pool, Execution[]>, group: Execution[]): Promise<void> {
  try {
    const connection = await pool.acquireConnection().finally(() => {
      if (waiting.get(pool) === group) waiting.delete(pool);
    });
    try {
      await executeAll(connection, group);
    } finally {
      pool.releaseConnection(connection);
    }
  } catch (error) {
    for (const { reject } of group) reject(error);
  }
}
