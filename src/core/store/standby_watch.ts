// Finds out whether a synchronous standby confirms commits, and ends the waiting when it does not. It asks Postgres by a commit
// of its own: that needs no rights on statistics, and Postgres itself judges what `synchronous_standby_names` means. While commits
// wait for a standby, it asks on a connection outside of the pool, whose connections may all be waiting.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Knex } from 'knex';
import type { Client } from 'pg';
import type { Log } from '../../lib/log.ts';
import { isPostgres } from './db.ts';
import { cancelStatement } from './postgres_client.ts';
import { type Standby, type StandbyState, standbyOf } from './standby.ts';
import { asksForStandby, isPrimarySlow, openAside, startProbe, usualPatience } from './standby_probe.ts';

/** Milliseconds. */
export interface StandbyTiming {
  /** Between two questions while commits wait for a standby. */
  interval: number;
  /** Between two looks at the settings while they wait for none. */
  idle: number;
  /** After which a commit that is not confirmed shows that the standby is away, if one that does not wait for it is quick. */
  patience: number;
}

/** Milliseconds after which a commit that still waits gives way to a new one: its connection may be dead, or its settings old. */
const longestProbe = 20_000;

// A commit waits for `interval + patience` until the standby counts as away, and for one interval more until it is cancelled: by
// then every other node knows too. Together they are less than the five seconds that docs/operations.md promises.
const usual: StandbyTiming = { interval: 1_000, idle: 5_000, patience: usualPatience };

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
  const watch: Watch = { db, standby: standbyOf(db.client), log, timing, signal: closing.signal };
  await lookUnlessFailing(watch, () => lend(db, async (one) => void (await isAsked(watch, one))));
  const running = run(watch);
  return {
    async close() {
      closing.abort();
      await running;
    },
  };
}

async function lookUnlessFailing({ log }: Watch, look: () => Promise<void>): Promise<void> {
  await look().catch((err) => log.debug({ err }, 'the standby could not be asked for'));
}

async function run(watch: Watch): Promise<void> {
  const { db, standby, timing, signal } = watch;
  const isWatching = () => !signal.aborted && standby.state !== 'none';
  while (!signal.aborted) {
    await pause(watch, standby.state === 'none' ? timing.idle : timing.interval);
    if (signal.aborted) return;
    if (standby.state === 'none')
      await lookUnlessFailing(watch, () => lend(db, async (one) => void (await isAsked(watch, one))));
    if (!isWatching()) continue;
    await lookUnlessFailing(watch, () =>
      openAside(db, async (connection) => {
        while (isWatching()) {
          await look(watch, connection);
          await pause(watch, timing.interval);
        }
      }),
    );
  }
}

interface Watch {
  db: Knex;
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
  const { db, timing, signal } = watch;
  const probe = startProbe(connection);
  try {
    let isConfirmed = await probe.isConfirmed(timing.patience, signal);
    while (isConfirmed === null && !signal.aborted && (await isPrimarySlow(db, timing.patience)))
      isConfirmed = await probe.isConfirmed(timing.patience, signal);
    if (!signal.aborted) change(watch, isConfirmed ? 'present' : 'away');
    // It goes on waiting: its end shows at once that the standby is back, or was only slow.
    if (isConfirmed === null && (await probe.isConfirmed(longestProbe, signal))) change(watch, 'present');
  } finally {
    await probe.end();
  }
}

// Whether the settings ask commits to wait. What waits is bounded from then on.
async function isAsked(watch: Watch, connection: Client): Promise<boolean> {
  const waits = await asksForStandby(connection);
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
