// Rate limits: how often something may be tried.
import type { RateLimiterAbstract } from 'rate-limiter-flexible';
import type { Allowance, RateLimitSettings } from '../../config/rate_limits.ts';
import type { Log } from '../lib/log.ts';
import type { Db } from './db.ts';
import { createLockout, type Lockout } from './lockout.ts';
import { keyOf, type LimitStore, openLimitStore, refusing } from './rate_limit_stores.ts';

export interface Limit {
  /** Counts one attempt; refuses with `rate_limited` and the seconds to wait when there were too many. */
  consume: (...key: string[]) => Promise<void>;
  /** Takes one attempt back: it turned out not to be one that counts. */
  forgive: (...key: string[]) => Promise<void>;
}

export interface RateLimits {
  /** Wrong passwords per user and address. Counted before hashing, so that a burst does not get through. */
  password: Limit;
  /** Wrong passwords per user, wherever they come from. */
  lockout: Lockout;
  /** Attempts to change a password, per user. */
  passwordChange: Limit;
  /** Rotations per session. Retries are free. */
  refresh: Limit;
  /** User codes of the device flow that nobody was given, per address. */
  userCode: Limit;
  /** Documents and keys that are fetched for clients nobody has logged in with yet, per address. */
  fetch: Limit;
  /** The same whoever asks for them. */
  fetchInAll: Limit;
  close: () => Promise<void>;
}

/**
 * As many wrong codes as a person in a hurry may type while one lives. Where a thousand of the 20^8 codes wait for their
 * owners, an address finds one in some 50 years (RFC 8628, 5.1).
 */
const wrongUserCodes: Allowance = { points: 10, seconds: 600 };

/** A person tries a client or two; ten users behind one address a few more. */
const fetches: Allowance = { points: 30, seconds: 60 };

/** Each may hold a connection for 2.5 seconds, and be a request to somebody who has not asked for it. */
const fetchesInAll: Allowance = { points: 600, seconds: 60 };

/** Opens the limits; `off` counts nothing. */
export async function openRateLimits(db: Db, settings: RateLimitSettings, log: Log): Promise<RateLimits> {
  if (settings.store === 'off') return unlimited;
  const store = await openLimitStore(db, settings.store, log);
  return {
    password: openLimit(store, 'password', settings.password),
    lockout: createLockout(store, settings.lockout),
    passwordChange: openLimit(store, 'password_change', settings.passwordChange),
    refresh: openLimit(store, 'refresh', settings.refresh),
    userCode: openLimit(store, 'user_code', wrongUserCodes),
    fetch: openLimit(store, 'fetch', fetches),
    fetchInAll: openLimit(store, 'fetch_in_all', fetchesInAll),
    close: store.close,
  };
}

const pass = async () => {};
const noLimit: Limit = { consume: pass, forgive: pass };
const unlimited: RateLimits = {
  password: noLimit,
  lockout: { check: pass, count: pass, clear: pass },
  passwordChange: noLimit,
  refresh: noLimit,
  userCode: noLimit,
  fetch: noLimit,
  fetchInAll: noLimit,
  close: pass,
};

function openLimit(store: LimitStore, keyPrefix: string, { points, seconds }: Allowance): Limit {
  const limiter: RateLimiterAbstract = store.open({ keyPrefix, points, duration: seconds });
  return {
    async consume(...key) {
      await refusing(limiter.consume(keyOf(key)));
    },
    async forgive(...key) {
      await limiter.reward(keyOf(key));
    },
  };
}
