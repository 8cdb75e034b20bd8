// Rate limits: how often something may be tried, counted by a well-kept library in memory or in Postgres.
import {
  type RateLimiterAbstract,
  RateLimiterMemory,
  RateLimiterPostgres,
  RateLimiterRes,
} from 'rate-limiter-flexible';
import { digest } from '../lib/crypto.ts';
import { AppError } from '../lib/errors.ts';
import type { Db } from './db.ts';

export interface Limit {
  /** Counts one attempt; refuses with `rate_limited` and the seconds to wait when there were too many. */
  consume: (...key: string[]) => Promise<void>;
  /** Takes one attempt back: it turned out not to be one that counts. */
  forgive: (...key: string[]) => Promise<void>;
}

export interface RateLimits {
  /** Failed passwords per name and address: 5 a minute. Counted before hashing, so that a burst does not get through. */
  password: Limit;
  /** Rotations per session: 10 a minute. Retries are free. */
  refresh: Limit;
}

/** Opens the limits; `off` counts nothing. */
export function createRateLimits(db: Db, store: 'off' | 'memory' | 'database'): RateLimits {
  const open = (keyPrefix: string, points: number, duration: number) =>
    store === 'off' ? unlimited : limit(createLimiter(db, store, { keyPrefix, points, duration }));
  return { password: open('password', 5, 60), refresh: open('refresh', 10, 60) };
}

const unlimited: Limit = { consume: async () => {}, forgive: async () => {} };

function createLimiter(
  db: Db,
  store: 'memory' | 'database',
  options: { keyPrefix: string; points: number; duration: number },
): RateLimiterAbstract {
  if (store === 'memory') return new RateLimiterMemory(options);
  return new RateLimiterPostgres({
    ...options,
    storeClient: db,
    storeType: 'knex',
    tableName: 'rate_limits',
    tableCreated: true,
  });
}

function limit(limiter: RateLimiterAbstract): Limit {
  return {
    async consume(...key) {
      try {
        await limiter.consume(keyOf(key));
      } catch (refusal) {
        if (!(refusal instanceof RateLimiterRes)) throw refusal;
        throw new AppError('rate_limited', undefined, {
          retryAfter: Math.max(1, Math.ceil(refusal.msBeforeNext / 1000)),
        });
      }
    },
    async forgive(...key) {
      await limiter.reward(keyOf(key));
    },
  };
}

// Digested: names and addresses are personal, of any length, and must not run into one another.
function keyOf(parts: string[]): string {
  return digest(JSON.stringify(parts));
}
