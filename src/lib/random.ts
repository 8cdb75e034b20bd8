// Random bytes by the handful. Each call of the system's generator costs several µs however little it gives.
import { randomFillSync } from 'node:crypto';

const pool = Buffer.allocUnsafeSlow(4_096);
let taken = pool.length;

/** `count` random bytes that nobody else has had and that are not kept; up to 256 at a time. */
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
