import test from 'ava';
import { memoize } from '../../src/lib/memoize.ts';

/** A clock that the test turns, and a reading that counts how often it was done and takes so long on that clock. */
function onClock(ms: number) {
  let time = 1_000;
  let reads = 0;
  return {
    pass: (passed: number) => {
      time += passed;
    },
    now: () => time,
    read: async () => {
      time += ms;
      reads += 1;
      return reads;
    },
  };
}

test('a value is kept for its time, and then read again', async (t) => {
  const { read: count, now, pass } = onClock(0);
  const read = memoize(count, 80, 0, now);
  t.deepEqual([await read(), await read()], [1, 1]);
  pass(79);
  t.is(await read(), 1);
  pass(1);
  t.is(await read(), 2);
});

test('concurrent callers share one read', async (t) => {
  const { read: count, now } = onClock(20);
  const read = memoize(count, 0, 20, now);
  t.deepEqual(await Promise.all([read(), read(), read()]), [1, 1, 1]);
});

test('a value that takes long to read is kept for twenty times as long', async (t) => {
  const { read: count, now, pass } = onClock(20);
  const read = memoize(count, 0, undefined, now);
  await read();
  pass(399);
  t.is(await read(), 1);
  pass(1);
  t.is(await read(), 2);
});

test('a slow value is kept no longer than the given factor says', async (t) => {
  const { read: count, now, pass } = onClock(100);
  const read = memoize(count, 20, 0, now);
  await read();
  pass(20);
  t.is(await read(), 2);
});

test('a failure reaches all waiting callers, and the next call reads again', async (t) => {
  let fails = true;
  const read = memoize(async () => {
    if (fails) throw new Error('away');
    return 'here';
  }, 60_000);
  const asked = [read(), read()];
  for (const one of asked) await t.throwsAsync(one, { message: 'away' });
  fails = false;
  t.is(await read(), 'here');
});
