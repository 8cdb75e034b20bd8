// Random bytes from a buffer, because each call of the system's generator costs several µs, however few bytes it returns.
import { randomFillSync } from 'node:crypto';

const pool = Buffer.allocUnsafeSlow(4_096);
let taken = pool.length;

/** Returns `count` random bytes, at most 256, that are returned only once and are not kept. */
export function takeRandom(count: number): Buffer {
  if (taken + count > pool.length) {
    randomFillSync(pool);
    taken = 0;
  }
  const bytes = Buffer.from(pool.subarray(taken, taken + count));
  pool.fill(0, taken, taken + count);
  taken += count;
  return bytes;
}
