// The clock of this process: it follows the database's, so that what nodes write into tokens agrees with what expires
// by the database's clock, however wrong a machine's own clock is. SQLite is one machine: there it is the machine's.
import type { Knex } from 'knex';
import type { Log } from '../../lib/log.ts';
import { isPostgres } from './db.ts';
import { readClock } from './sql_time.ts';

export interface Clock {
  /** What time it is, milliseconds since the epoch; costs no query. */
  now: () => number;
  /** How far this clock is ahead of the machine's (`Date.now()`), milliseconds. */
  offset: () => number;
  close: () => void;
}

/** One look at the database's clock. Both times are those of the middle of the round trip. */
export interface Sample {
  /** What the database said, milliseconds since the epoch. */
  theirs: number;
  /** What the monotonic clock of this process said: it does not jump when somebody sets the machine's clock. */
  ours: number;
  /** Milliseconds; by half of it the sample may be wrong. */
  roundTrip: number;
}

/** Milliseconds between looks, and how many of them are remembered. */
const interval = 5_000;
const remembered = 12;

/** Milliseconds of difference that an operator should hear of. */
const worthSaying = 2_000;

/** Looks at the start: the first one may have to wait for a connection. */
const firstLooks = 3;

/** The clock of the machine itself. */
export const machineClock: Clock = { now: () => Date.now(), offset: () => 0, close() {} };

/** Opens the clock that follows the one of `db`. While the database is away it goes on with what it knew. */
export async function openClock(db: Knex, log: Log): Promise<Clock> {
  if (!isPostgres(db)) return machineClock;
  let samples: Sample[] = [];
  let ahead = 0;
  const look = async () => {
    samples = addSample(samples, await sampleClock(db));
    ahead = bestOffset(samples);
  };
  for (let i = 0; i < firstLooks; i += 1) await look();
  const timer = setInterval(unlessBusy(look, log), interval).unref();
  const now = () => Math.floor(performance.now() + ahead);
  const offset = () => now() - Date.now();
  if (Math.abs(offset()) > worthSaying) {
    log.warn({ offset_ms: offset() }, 'the clock of this machine is wrong; that of the database is followed');
  }
  return {
    now,
    offset,
    close() {
      clearInterval(timer);
    },
  };
}

// One at a time: with the database away, a look waits longer than the next one takes to come.
function unlessBusy(look: () => Promise<void>, log: Log): () => void {
  let isLooking = false;
  return () => {
    if (isLooking) return;
    isLooking = true;
    look()
      .catch((err) => log.debug({ err }, 'the clock of the database could not be read'))
      .finally(() => {
        isLooking = false;
      });
  };
}

async function sampleClock(db: Knex): Promise<Sample> {
  const begin = performance.now();
  const theirs = (await readClock(db)).getTime();
  const end = performance.now();
  return { theirs, ours: (begin + end) / 2, roundTrip: end - begin };
}

/**
 * The samples to go by, once there is a new one. One that an older contradicts by more than both may be wrong says that
 * a clock was set, or that the machine slept: what is older than that counts no more. A second of drift is granted.
 */
export function addSample(samples: readonly Sample[], next: Sample): Sample[] {
  const agreeing = samples.filter((one) => {
    const tolerance = (one.roundTrip + next.roundTrip) / 2 + 1_000;
    return Math.abs(offsetOf(one) - offsetOf(next)) <= tolerance;
  });
  return [...agreeing, next].slice(-remembered);
}

/** How far the database's clock is ahead of the monotonic one: by the sample that can be wrong the least. */
export function bestOffset(samples: readonly Sample[]): number {
  const [best] = samples.toSorted((a, b) => a.roundTrip - b.roundTrip);
  if (!best) throw new Error('the clock was never read');
  return offsetOf(best);
}

function offsetOf({ theirs, ours }: Sample): number {
  return theirs - ours;
}
