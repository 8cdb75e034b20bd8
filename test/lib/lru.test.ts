import test from 'ava';
import { createLru } from '../../src/lib/lru.ts';

test('the least recently used value is dropped first', (t) => {
  const lru = createLru<number>(2);
  lru.set('a', 1);
  lru.set('b', 2);
  t.is(lru.get('a'), 1);
  lru.set('c', 3);
  t.deepEqual(
    ['a', 'b', 'c'].map((key) => lru.get(key)),
    [1, undefined, 3],
  );
});

test('setting a value again counts as use', (t) => {
  const lru = createLru<number>(2);
  lru.set('a', 1);
  lru.set('b', 2);
  lru.set('a', 3);
  lru.set('c', 4);
  t.deepEqual([lru.get('a'), lru.get('b'), lru.get('c')], [3, undefined, 4]);
  lru.clear();
  t.is(lru.get('c'), undefined);
});

test('a cache of size 0 stores nothing', (t) => {
  const lru = createLru<number>(0);
  lru.set('a', 1);
  t.is(lru.get('a'), undefined);
});

test('through many drops, uses and clearings the least recently used value is the one that is dropped', (t) => {
  const size = 7;
  const lru = createLru<number>(size);
  let expected: string[] = [];
  for (let step = 1; step <= 5_000; step += 1) {
    const key = `key ${(step * step) % 31}`;
    const isKnown = expected.includes(key);
    if (step % 997 === 0) {
      lru.clear();
      expected = [];
    } else if (step % 3 === 0) {
      t.is(lru.get(key) !== undefined, isKnown, `${key} at step ${step}`);
      if (isKnown) expected = [...expected.filter((one) => one !== key), key];
    } else {
      lru.set(key, step);
      expected = [...expected.filter((one) => one !== key), key].slice(-size);
    }
  }
});
