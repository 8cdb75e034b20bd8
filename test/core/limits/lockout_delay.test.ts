// In a file of its own, because it turns the clock: what runs beside it would be turned along.
import { mock } from 'node:test';
import test, { type ExecutionContext } from 'ava';
import { RateLimiterMemory } from 'rate-limiter-flexible';
import { createLockout, type Lockout, lockDelay } from '../../../src/core/limits/lockout.ts';
import { AppError } from '../../../src/lib/errors.ts';

const settings = { failures: 10, firstDelay: 60, longestDelay: 900 };

function openInMemory(t: ExecutionContext): Lockout {
  mock.timers.enable({ apis: ['Date', 'setTimeout'], now: Date.UTC(2026, 0, 1) });
  t.teardown(() => mock.timers.reset());
  const store = {
    open: (options: ConstructorParameters<typeof RateLimiterMemory>[0]) => new RateLimiterMemory(options),
    close: async () => {},
  };
  return createLockout(store, settings);
}

/** A wrong password at this moment: 0 when it was looked at, otherwise the seconds to wait. */
async function fail(lockout: Lockout, key = 'alice'): Promise<number> {
  try {
    await lockout.check(key);
    await lockout.count(key);
    return 0;
  } catch (error) {
    if (error instanceof AppError) return error.retryAfter ?? -1;
    throw error;
  }
}

async function failUntilLocked(lockout: Lockout): Promise<void> {
  for (let i = 0; i < settings.failures; i += 1) await fail(lockout);
}

function pass(seconds: number): void {
  mock.timers.tick(seconds * 1000);
}

test('the delay doubles from the first to the longest', (t) => {
  const delays = [10, 11, 12, 13, 14, 15, 1_000, 100_000].map((failures) => lockDelay(failures, settings));
  t.deepEqual(delays, [60, 120, 240, 480, 900, 900, 900, 900]);
});

test.serial('each further failure makes the next wait longer, and a refused attempt does not', async (t) => {
  const lockout = openInMemory(t);
  await failUntilLocked(lockout);
  for (const delay of [60, 120, 240, 480, 900, 900]) {
    t.is(await fail(lockout), delay);
    pass(delay - 1);
    t.is(await fail(lockout), 1);
    pass(1);
    t.is(await fail(lockout), 0, 'one try, and it locks again');
  }
});

test.serial('after a right password the count starts again', async (t) => {
  const lockout = openInMemory(t);
  await failUntilLocked(lockout);
  pass(60);
  t.is(await fail(lockout), 0);
  await lockout.clear('alice');
  t.is(await fail(lockout), 0);
  await failUntilLocked(lockout);
  t.is(await fail(lockout), 60);
});

test.serial('failures are cleared six hours after the first one', async (t) => {
  const lockout = openInMemory(t);
  t.is(await fail(lockout), 0);
  pass(6 * 3_600 - 1);
  for (let i = 0; i < 8; i += 1) t.is(await fail(lockout), 0);
  pass(1);
  for (let i = 0; i < 10; i += 1) t.is(await fail(lockout), 0);
  t.is(await fail(lockout), 60);
});
