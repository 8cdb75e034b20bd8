import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { remember } from '../../src/lib/remember.ts';

/** A reading that counts how often it was done, and takes so long. */
function counting(ms: number) {
  let reads = 0;
  return async () => {
    await sleep(ms);
    reads += 1;
    return reads;
  };
}

test('a value is good for its time, and then read again', async (t) => {
  const read = remember(counting(0), 80, 0);
  t.deepEqual([await read(), await read()], [1, 1]);
  await sleep(120);
  t.is(await read(), 2);
});

test('of many who ask at once one reads', async (t) => {
  const read = remember(counting(20), 0);
  t.deepEqual(await Promise.all([read(), read(), read()]), [1, 1, 1]);
});

test('what takes long to read is good for twenty times as long', async (t) => {
  const read = remember(counting(20), 0);
  await read();
  await sleep(150);
  t.is(await read(), 1);
});

test('or for no longer than it is told to be', async (t) => {
  const read = remember(counting(100), 20, 0);
  await read();
  await sleep(60);
  t.is(await read(), 2);
});

test('a failure is told to those who wait for it, and tried again', async (t) => {
  let fails = true;
  const read = remember(async () => {
    if (fails) throw new Error('away');
    return 'here';
  }, 60_000);
  const asked = [read(), read()];
  for (const one of asked) await t.throwsAsync(one, { message: 'away' });
  fails = false;
  t.is(await read(), 'here');
});
