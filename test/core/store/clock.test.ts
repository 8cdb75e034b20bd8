import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { addSample, bestOffset, openClock, type Sample } from '../../../src/core/store/clock.ts';
import { readClock } from '../../../src/core/store/sql_time.ts';
import { createLog } from '../../../src/lib/log.ts';
import { testOnStores } from '../../helpers/stores.ts';

const log = createLog({ level: 'silent' });

testOnStores('the clock gives the time of the database without a query', async (t, { db }) => {
  const begin = performance.now();
  const clock = await openClock(db, log);
  // It is wrong by half of a round trip at most; on a busy machine that may be long.
  const slack = 50 + performance.now() - begin;
  t.teardown(clock.close);
  for (let i = 0; i < 3; i += 1) {
    const before = clock.now();
    const theirs = (await readClock(db)).getTime();
    const after = clock.now();
    t.true(before - slack <= theirs && theirs <= after + slack, `${before} ${theirs} ${after}`);
    await sleep(20);
  }
  t.true(Math.abs(clock.offset()) < slack, 'one machine');
});

testOnStores('the clock continues while the database is away', async (t, { db }) => {
  const clock = await openClock(db, log);
  const outer = performance.now();
  const before = clock.now();
  const inner = performance.now();
  await db.destroy();
  await sleep(30);
  const least = performance.now() - inner;
  const passed = clock.now() - before;
  const most = performance.now() - outer;
  t.true(passed > least - 5 && passed < most + 5, `${passed} ms, of ${least} to ${most}`);
  clock.close();
});

/** A sample of a clock that is `ahead` of ours, read wrong by `error`. */
function sample(ours: number, ahead: number, roundTrip: number, error = 0): Sample {
  return { ours, theirs: ours + ahead + error, roundTrip };
}

test('the sample with the shortest round trip is used', (t) => {
  let samples: Sample[] = [];
  samples = addSample(samples, sample(0, 90_000, 400, 200));
  samples = addSample(samples, sample(5_000, 90_000, 2));
  samples = addSample(samples, sample(10_000, 90_000, 3_000, -1_500));
  t.is(samples.length, 3);
  t.is(bestOffset(samples), 90_000);
});

test('a clock that was set is followed at once, regardless of older samples', (t) => {
  const before = [sample(0, 90_000, 1), sample(5_000, 90_000, 1)];
  const samples = addSample(before, sample(10_000, -90_000, 300));
  t.deepEqual(samples, [sample(10_000, -90_000, 300)]);
  t.is(bestOffset(samples), -90_000);
});

test('samples older than a minute are not used, so that a drift is followed', (t) => {
  let samples: Sample[] = [];
  for (let i = 0; i < 40; i += 1) samples = addSample(samples, sample(i * 5_000, i, 5));
  t.is(samples.length, 12);
  t.is(bestOffset(samples), 28);
});

test('without a sample the clock throws', (t) => {
  t.throws(() => bestOffset([]), { message: 'the clock was never read' });
});
