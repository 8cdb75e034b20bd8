import test from 'ava';
import { takeRandom } from '../../src/lib/random.ts';

test('bytes are returned only once, across any number of refills', (t) => {
  const seen = new Set(
    Array.from({ length: 5_000 }, (_, i) => takeRandom(16 + (i % 3)).toString('hex', 0, 16)),
  );
  t.is(seen.size, 5_000);
});

test('each caller owns its bytes', (t) => {
  const mine = takeRandom(32);
  const copy = Buffer.from(mine);
  for (let i = 0; i < 300; i += 1) takeRandom(32).fill(0);
  t.deepEqual(mine, copy);
  t.is(mine.length, 32);
  t.true(mine.some((byte) => byte !== 0));
});
