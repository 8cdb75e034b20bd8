// The clock of this process. It follows the clock of Postgres, so that the times that nodes write into tokens agree with the
// times at which rows expire, however wrong a machine's own clock is. With SQLite it is the clock of the machine.
import type { Knex } from 'knex';
import type { Log } from '../../lib/log.ts';
import { isPostgres } from './db.ts';
import { readClock } from './sql_time.ts';

export interface Clock {
  /** The present time, milliseconds since the epoch; needs no query. */
  now: () => number;
  /** How far this clock is ahead of the machine's (`Date.now()`), milliseconds. */
  offset: () => number;
  close: () => void;
}

/** One reading of the database's clock. Both times are those of the middle of the round trip. */
export interface Sample {
  /** The time of the database, milliseconds since the epoch. */
  theirs: number;
  /** The time of the monotonic clock of this process, which does not jump when the machine's clock is set. */
  ours: number;
  /** Milliseconds; the sample may be wrong by half of it. */
  roundTrip: number;
}

/** Milliseconds between samples, and how many samples are kept. */
const interval = 5_000;
const maxSamples = 12;

/** Milliseconds of difference from which on the log warns. */
const warningOffset = 2_000;

/** Samples taken at the start: the first one may have to wait for a connection. */
const firstSamples = 3;

/** The clock of the machine itself. */
export const machineClock: Clock = { now: () => Date.now(), offset: () => 0, close() {} };

/** Opens the clock that follows the clock of `db`. While the database is unavailable it continues from the last samples. */
export async function openClock(db: Knex, log: Log): Promise<Clock> {
  if (!isPostgres(db)) return machineClock;
  let samples: Sample[] = [];
  let ahead = 0;
  const takeSample = async () => {
    samples = addSample(samples, await sampleClock(db));
    ahead = bestOffset(samples);
  };
  for (let i = 0; i < firstSamples; i += 1) await takeSample();
  const timer = setInterval(unlessBusy(takeSample, log), interval).unref();
  const now = () => Math.floor(performance.now() + ahead);
  const offset = () => now() - Date.now();
  if (Math.abs(offset()) > warningOffset) {
    log.warn(
      { offset_ms: offset() },
      'the clock of this machine is wrong; the clock of the database is followed',
    );
  }
  return {
    now,
    offset,
    close() {
      clearInterval(timer);
    },
  };
}

// One sample at a time: while the database is unavailable, a sample takes longer than the interval.
function unlessBusy(takeSample: () => Promise<void>, log: Log): () => void {
  let isBusy = false;
  return () => {
    if (isBusy) return;
    isBusy = true;
    takeSample()
      .catch((err) => log.debug({ err }, 'the clock of the database could not be read'))
      .finally(() => {
        isBusy = false;
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
 * The samples that count after a new one. When an older sample differs from the new one by more than both may be wrong, plus
 * a second of drift, then a clock was set or the machine slept in between: the older sample is dropped.
 */
export function addSample(samples: readonly Sample[], next: Sample): Sample[] {
  const agreeing = samples.filter((one) => {
    const tolerance = (one.roundTrip + next.roundTrip) / 2 + 1_000;
    return Math.abs(offsetOf(one) - offsetOf(next)) <= tolerance;
  });
  return [...agreeing, next].slice(-maxSamples);
}

/** How far the database's clock is ahead of the monotonic clock, by the sample with the smallest possible error. */
export function bestOffset(samples: readonly Sample[]): number {
  const [best] = samples.toSorted((a, b) => a.roundTrip - b.roundTrip);
  if (!best) throw new Error('the clock was never read');
  return offsetOf(best);
}

function offsetOf({ theirs, ours }: Sample): number {
  return theirs - ours;
}
