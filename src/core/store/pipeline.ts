// Sends statements that are asked for at the same moment to Postgres together. One at a time, a refresh spends more on its
// two system calls, on the pool and on waking Postgres than on its statement (docs/decisions/007).
import type { Client } from 'pg';
import { type Execution, executeAll, type Prepared, type Row } from './prepared_query.ts';
import { type StandbyOwner, standbyOf } from './standby.ts';

/** What lends connections: Knex's client with its pool, so that limits and recovery are the same for all statements. */
export interface Pool extends StandbyOwner {
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

/** The rows of a short statement; it may share a connection with other statements of the same moment. */
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
    setImmediate(() => send(pool, commit, opened));
  }
  return commit === 'local' ? promise : confirm(pool, promise);
}

/** The rows of a slow statement; no other statement shares its connection. */
export function executeAlone(
  pool: Pool,
  commit: Commit,
  prepared: Prepared,
  values: unknown[],
): Promise<Row[]> {
  const { promise, ...settle } = Promise.withResolvers<Row[]>();
  void send(pool, commit, [{ prepared, values, ...settle }]);
  return commit === 'local' ? promise : confirm(pool, promise);
}

async function confirm(pool: Pool, promise: Promise<Row[]>): Promise<Row[]> {
  const rows = await promise;
  standbyOf(pool).requirePresent();
  return rows;
}

async function send(pool: Pool, commit: Commit, group: Execution[]): Promise<void> {
  try {
    if (commit === 'local') await sendOn(pool, commit, group, executeAll);
    else {
      const standby = standbyOf(pool);
      const execute = (connection: Client) => standby.hold(connection, () => executeAll(connection, group));
      await standby.admit(() => sendOn(pool, commit, group, execute));
    }
  } catch (error) {
    closeGroup(pool, commit, group);
    for (const { reject } of group) reject(error);
  }
}

async function sendOn(
  pool: Pool,
  commit: Commit,
  group: Execution[],
  execute: (connection: Client, group: Execution[]) => Promise<void>,
): Promise<void> {
  const connection = await pool.acquireConnection().finally(() => closeGroup(pool, commit, group));
  try {
    await execute(connection, group);
  } finally {
    pool.releaseConnection(connection);
  }
}

// No further statement joins the group.
function closeGroup(pool: Pool, commit: Commit, group: Execution[]): void {
  if (groups[commit].get(pool) === group) groups[commit].delete(pool);
}
