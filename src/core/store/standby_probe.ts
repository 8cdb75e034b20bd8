// One question to Postgres: whether a commit is confirmed by a synchronous standby. It is a commit of its own, of some bytes of log
// and no row, on a connection outside of the pool, whose connections may all be waiting.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Knex } from 'knex';
import type { Client } from 'pg';
import { isPostgres } from './db.ts';
import { cancelStatement } from './postgres_client.ts';
import type { StandbyState } from './standby.ts';

/** Milliseconds after which a commit that is not confirmed shows that the standby is away; {@link isPrimarySlow} excepted. */
export const usualPatience = 2_500;

/** Milliseconds within which Postgres answers what waits for nothing, and closes a connection. */
const longestAnswer = 10_000;
const longestFarewell = 1_000;

const settingsSql = `select current_setting('synchronous_standby_names') <> ''
  and current_setting('synchronous_commit') not in ('off', 'local') as waits`;

// A transaction that writes nothing would wait for nothing.
const probeSql = "select pg_logical_emit_message(true, 'kindred', '')";
const localProbeSql = `${probeSql}, set_config('synchronous_commit', 'local', true)`;

/** Runs `use` on a connection outside of the pool, which is closed even while it waits. */
export async function openAside<Result>(
  db: Knex,
  use: (connection: Client) => Promise<Result>,
): Promise<Result> {
  const connection: Client = await db.client.acquireRawConnection();
  try {
    return await use(connection);
  } finally {
    await within(longestFarewell, connection.end()).catch(() => connection.connection.stream.destroy());
  }
}

/** Whether the settings ask commits to wait for a standby. */
export async function asksForStandby(connection: Client): Promise<boolean> {
  const { rows } = await within(longestAnswer, connection.query(settingsSql));
  return rows[0]?.waits === true;
}

// Fails after the given number of milliseconds. The connection is of no use then.
async function within<Result>(ms: number, answer: Promise<Result>): Promise<Result> {
  answer.catch(() => {});
  const refuse = async () => {
    await sleep(ms, null, { ref: false });
    throw new Error('Postgres does not answer');
  };
  return await Promise.race([answer, refuse()]);
}

/** A commit under way. */
export interface Probe {
  /** Whether it is confirmed; null when that is not known after the given number of milliseconds. */
  isConfirmed: (patience: number, signal?: AbortSignal) => Promise<boolean | null>;
  /** Cancels it if it still waits. */
  end: () => Promise<void>;
}

/** Begins a commit on a connection that no other caller uses until it has ended. */
export function startProbe(connection: Client): Probe {
  let isOver = false;
  const answer = ask(connection).finally(() => {
    isOver = true;
  });
  answer.catch(() => {});
  return {
    async isConfirmed(patience, signal) {
      const impatience = sleep(patience, null, { ref: false, ...(signal && { signal }) }).catch(() => null);
      return await Promise.race([answer, impatience]);
    },
    async end() {
      if (isOver) return;
      await cancelStatement(connection);
      await within(longestAnswer, answer);
    },
  };
}

async function ask(connection: Client): Promise<boolean> {
  try {
    await connection.query(probeSql);
    return true;
  } catch (error) {
    if (error instanceof Error && error.name === 'StandbyAwayError') return false;
    throw error;
  }
}

/**
 * Whether a commit that waits for the primary's disk alone takes long as well, compared with this patience: then it is the disk or
 * the machine that is slow, in a checkpoint for instance, and nothing is known about the standby.
 */
export async function isPrimarySlow(db: Knex, patience: number): Promise<boolean> {
  let took = patience;
  const commit = openAside(db, async (connection) => {
    const since = performance.now();
    await connection.query(localProbeSql);
    took = performance.now() - since;
  });
  // Where Postgres takes no further connection, the standby counts as away: what waits has to be bounded.
  const isRefused = await within(patience, commit).then(
    () => false,
    (error: { code?: unknown }) => error.code !== undefined,
  );
  return !isRefused && took > patience / 5;
}

/** The state of the standby now, for a process that does not watch it. */
export async function findStandbyState(db: Knex): Promise<StandbyState> {
  if (!isPostgres(db)) return 'none';
  return await openAside(db, async (connection) => {
    if (!(await asksForStandby(connection))) return 'none';
    const probe = startProbe(connection);
    const isConfirmed = await probe.isConfirmed(usualPatience);
    await probe.end();
    return isConfirmed ? 'present' : 'away';
  });
}
