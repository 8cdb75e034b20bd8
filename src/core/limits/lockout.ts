// Lockouts: after so many wrong passwords in a row the next try has to wait, and after each further one twice as long.
import type { RateLimitSettings } from '../../../config/rate_limits.ts';
import { asRateLimited, keyOf, type LimitStore } from './rate_limit_stores.ts';

/** Takes a try back that was counted. */
export interface Refund {
  (): Promise<void>;
  /** Whether the try, if it is not taken back, has begun a lockout. */
  hasLocked: boolean;
}

export interface Lockout {
  /** Refuses with `rate_limited` and the seconds to wait while `key` is locked out. */
  check: (...key: string[]) => Promise<void>;
  /**
   * Counts a try as a failure, before anybody knows whether it is one: of a hundred at once, no more get through than
   * one after the other. From the last allowed failure on it locks as well, and refuses whoever was not the first to.
   * The function that it gives takes the try back: it was no failure, and everything is as if it had not been.
   */
  count: (...key: string[]) => Promise<Refund>;
  /** What was before is forgotten. Only for keys that strangers do not count by: they would see that it happened. */
  clear: (...key: string[]) => Promise<void>;
}

/** How long failures are remembered, seconds: after the first of them, unless a right password comes before. */
const memory = 6 * 3_600;

type Settings = RateLimitSettings['lockout'];

/** Opens the lockout on counters of `store`. */
export function createLockout(store: LimitStore, settings: Settings): Lockout {
  const failures = store.open({ keyPrefix: 'failures', points: settings.failures, duration: memory });
  const lock = store.open({ keyPrefix: 'lock', points: 1, duration: settings.firstDelay });
  return {
    async check(...key) {
      const held = await lock.get(keyOf(key));
      if (held && held.msBeforeNext > 0) await asRateLimited(Promise.reject(held));
    },
    async count(...key) {
      const id = keyOf(key);
      const forgive = async () => {
        const { consumedPoints } = await failures.reward(id);
        // A counter at nothing would still remember when it began.
        if (consumedPoints <= 0) await failures.delete(id);
      };
      const { consumedPoints } = await failures.penalty(id);
      if (consumedPoints < settings.failures) return Object.assign(forgive, { hasLocked: false });
      const customDuration = lockDelay(consumedPoints, settings);
      try {
        await asRateLimited(lock.consume(id, 1, { customDuration }));
      } catch (error) {
        // A second one has not tried anything, so the delay must not grow by it.
        await forgive().catch(() => {});
        throw error;
      }
      const unlock = async () => {
        await Promise.all([forgive(), lock.delete(id)]);
      };
      return Object.assign(unlock, { hasLocked: true });
    },
    async clear(...key) {
      await Promise.all([failures.delete(keyOf(key)), lock.delete(keyOf(key))]);
    },
  };
}

/** Seconds to wait after the given number of failures. */
export function lockDelay(
  failures: number,
  { failures: allowed, firstDelay, longestDelay }: Settings,
): number {
  return Math.min(longestDelay, firstDelay * 2 ** (failures - allowed));
}
