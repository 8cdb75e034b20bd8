// Lockouts: after a number of wrong passwords in a row the next attempt must wait, and after each further one twice as long.
import type { RateLimitSettings } from '../../../config/rate_limits.ts';
import { asRateLimited, keyOf, type LimitStore } from './rate_limit_stores.ts';

/** Takes back an attempt that was counted. */
export interface Refund {
  (): Promise<void>;
  /** Whether the attempt has begun a lockout, unless it is refunded. */
  hasLocked: boolean;
}

export interface Lockout {
  /** Refuses with `rate_limited` and the seconds to wait while `key` is locked out. */
  check: (...key: string[]) => Promise<void>;
  /**
   * Counts an attempt as a failure before its outcome is known, so that of a hundred attempts at once no more get through
   * than one after the other. From the last allowed failure on it also locks, and refuses all but the first of concurrent
   * attempts. The function that it returns takes the attempt back, as if it had not been made.
   */
  count: (...key: string[]) => Promise<Refund>;
  /** Removes all failures. Only for keys that no other person can count by: that person would notice the reset. */
  clear: (...key: string[]) => Promise<void>;
}

/** Seconds after the first failure for which failures count, unless a right password comes earlier. */
const failureWindow = 6 * 3_600;

type Settings = RateLimitSettings['lockout'];

/** Opens the lockout on counters of `store`. */
export function createLockout(store: LimitStore, settings: Settings): Lockout {
  const failures = store.open({ keyPrefix: 'failures', points: settings.failures, duration: failureWindow });
  const lock = store.open({ keyPrefix: 'lock', points: 1, duration: settings.firstDelay });
  return {
    async check(...key) {
      const held = await lock.get(keyOf(key));
      if (held && held.msBeforeNext > 0) await asRateLimited(Promise.reject(held));
    },
    async count(...key) {
      const id = keyOf(key);
      const refund = async () => {
        const { consumedPoints } = await failures.reward(id);
        // A counter at zero would still keep the time of its first failure.
        if (consumedPoints <= 0) await failures.delete(id);
      };
      const { consumedPoints } = await failures.penalty(id);
      if (consumedPoints < settings.failures) return Object.assign(refund, { hasLocked: false });
      const customDuration = lockDelay(consumedPoints, settings);
      try {
        await asRateLimited(lock.consume(id, 1, { customDuration }));
      } catch (error) {
        // A concurrent attempt was refused before it tried a password, so it must not lengthen the delay.
        await refund().catch(() => {});
        throw error;
      }
      const unlock = async () => {
        await Promise.all([refund(), lock.delete(id)]);
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
