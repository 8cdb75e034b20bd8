import test from 'ava';
import { memoryStore } from '../../../src/core/limits/rate_limit_stores.ts';

test('anonymous requests cannot create counters in memory without bound, and counters in use are kept', async (t) => {
  const limiter = memoryStore.open({ keyPrefix: 'test', points: 3, duration: 3_600 });
  for (let i = 0; i < 3; i += 1) await limiter.consume('used');
  await limiter.consume('forgotten');
  for (let i = 0; i < 60_000; i += 1) {
    await limiter.consume(`invented ${i}`);
    if (i % 10_000 === 0) await limiter.penalty('used');
  }
  t.is((await limiter.get('used'))?.consumedPoints, 9);
  t.is(await limiter.get('forgotten'), null);
  t.is(await limiter.get('invented 0'), null);
  t.is((await limiter.get('invented 59999'))?.consumedPoints, 1);
});
