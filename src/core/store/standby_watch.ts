// Finds out whether a synchronous standby confirms commits, and ends the waiting when it does not. It asks Postgres by a commit
// of its own: that needs no rights on statistics, and Postgres itself judges what `synchronous_standby_names` means.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Knex } from 'knex';
import type { Client } from 'pg';
import type { Log } from '../../lib/log.ts';
import { isPostgres } from './db.ts';
import { cancelStatement } from './postgres_client.ts';
import { type Standby, type StandbyState, standbyOf } from './standby.ts';

/** Milliseconds. */
export interface StandbyTiming {
  /** Between two questions while commits wait for a standby. */
  interval: number;
  /** Between two looks at the settings while they wait for none. */
  idle: number;
  /** After which a commit that is not confirmed shows that the standby is away. */
  patience: number;
}

// A commit waits for `interval + patience` until the standby counts as away, and for one interval more until it is cancelled: by
// then every other node knows too. Together they are less than the five seconds that docs/operations.md promises.
const usual: StandbyTiming = { interval: 1_000, idle: 5_000, patience: 2_500 };

const settingsSql = `select current_setting('synchronous_standby_names') <> ''
  and current_setting('synchronous_commit') not in ('off', 'local') as waits`;

// Writes some bytes to the log of Postgres, no row. A transaction that writes nothing would wait for nothing.
const probeSql = "select pg_logical_emit_message(true, 'kindred', '')";

export interface StandbyWatch {
  close: () => Promise<void>;
}

/** Watches the standby of `db` until it is closed. The first look at the settings is over when it returns. */
export async function openStandbyWatch(
  db: Knex,
  log: Log,
  timing: StandbyTiming = usual,
): Promise<StandbyWatch> {
  if (!isPostgres(db)) return { async close() {} };
  const closing = new AbortController();
  const watch: Watch = { standby: standbyOf(db.client), log, timing, signal: closing.signal };
  const lookUnlessFailing = (look: () => Promise<void>) =>
    look().catch((err) => log.debug({ err }, 'the standby could not be asked for'));
  const run = async () => {
    while (!watch.signal.aborted) {
      await pause(watch, watch.standby.state === 'none' ? timing.idle : timing.interval);
      if (!watch.signal.aborted) await lookUnlessFailing(() => lend(db, (one) => look(watch, one)));
    }
  };
  await lookUnlessFailing(() => lend(db, async (one) => void (await isAsked(watch, one))));
  const running = run();
  return {
    async close() {
      closing.abort();
      await running;
    },
  };
}

interface Watch {
  standby: Standby;
  log: Log;
  timing: StandbyTiming;
  signal: AbortSignal;
}

async function pause({ signal }: Watch, ms: number): Promise<void> {
  await sleep(ms, undefined, { ref: false, signal }).catch(() => {});
}

async function lend<Result>(db: Knex, use: (connection: Client) => Promise<Result>): Promise<Result> {
  const connection: Client = await db.client.acquireConnection();
  try {
    return await use(connection);
  } finally {
    db.client.releaseConnection(connection);
  }
}

async function look(watch: Watch, connection: Client): Promise<void> {
  if (!(await isAsked(watch, connection))) return;
  const isConfirmed = await probe(connection, watch.timing.patience, watch.signal);
  if (!watch.signal.aborted) change(watch, isConfirmed ? 'present' : 'away');
}

// Whether the settings ask commits to wait. What waits is bounded from then on.
async function isAsked(watch: Watch, connection: Client): Promise<boolean> {
  const { rows } = await connection.query(settingsSql);
  const waits = rows[0]?.waits === true;
  if (!waits) change(watch, 'none');
  else if (watch.standby.state === 'none') change(watch, 'present');
  return waits;
}

function change(watch: Watch, next: StandbyState): void {
  const { standby, log, timing } = watch;
  const before = standby.state;
  standby.change(next);
  if (before === 'away' && next !== 'away') log.info('commits are confirmed again');
  if (next !== 'away' || before === 'away') return;
  log.warn('no synchronous standby confirms commits: logins and endings are refused until one does');
  void pause(watch, timing.interval).then(() => cancelHeld(watch));
}

async function cancelHeld(watch: Watch): Promise<void> {
  const { standby, signal } = watch;
  while (standby.state === 'away' && !signal.aborted) {
    for (const connection of standby.held) {
      if (!standby.isCancelling(connection)) standby.cancelBy(connection, cancelWhileHeld(watch, connection));
    }
    await pause(watch, 50);
  }
}

// Each statement of a group waits in its turn, so one cancellation may not be enough.
async function cancelWhileHeld(watch: Watch, connection: Client): Promise<void> {
  const { standby, log, signal } = watch;
  while (standby.held.has(connection) && standby.state === 'away' && !signal.aborted) {
    await cancelStatement(connection).catch((err) => log.debug({ err }, 'a wait could not be cancelled'));
    await pause(watch, 20);
  }
}

/** Whether a commit is confirmed within `patience` milliseconds; it is cancelled afterwards. */
async function probe(connection: Client, patience: number, signal?: AbortSignal): Promise<boolean> {
  const answer = connection.query(probeSql).then(
    () => true,
    (error: Error) => {
      if (error.name === 'StandbyAwayError') return false;
      throw error;
    },
  );
  const impatience = sleep(patience, null, { ref: false, ...(signal && { signal }) }).catch(() => null);
  if ((await Promise.race([answer, impatience])) === true) return true;
  await cancelStatement(connection);
  return await answer;
}

/** The state of the standby now, for a process that does not watch it. */
export async function findStandbyState(db: Knex): Promise<StandbyState> {
  if (!isPostgres(db)) return 'none';
  return await lend(db, async (connection) => {
    const { rows } = await connection.query(settingsSql);
    if (rows[0]?.waits !== true) return 'none';
    return (await probe(connection, usual.patience)) ? 'present' : 'away';
  });
}
