// Rate limits: how often something may be tried.
import type { RateLimiterAbstract } from 'rate-limiter-flexible';
import type { Allowance, RateLimitSettings } from '../../../config/rate_limits.ts';
import type { Log } from '../../lib/log.ts';
import type { Db } from '../store/db.ts';
import { createLockout, type Lockout } from './lockout.ts';
import { asRateLimited, keyOf, type LimitStore, memoryStore, openLimitStore } from './rate_limit_stores.ts';

export interface Limit {
  /** Counts one attempt; refuses with `rate_limited` and the seconds to wait when there were too many. */
  consume: (...key: string[]) => Promise<void>;
  /** Takes one attempt back: it turned out not to be one that counts. */
  refund: (...key: string[]) => Promise<void>;
  /** How many attempts are left. */
  left: (...key: string[]) => Promise<number>;
}

/** Counts failures alone, after each: what succeeds costs nothing, however much of it there is at once. */
export interface Budget {
  /** Refuses with `rate_limited` and the seconds to wait when it is used up. */
  check: (...key: string[]) => Promise<void>;
  /** Counts a failure, and says how many there have been. */
  count: (...key: string[]) => Promise<number>;
}

export interface RateLimits {
  /** Wrong passwords per name (or known device) and network. Counted before hashing, so that a burst does not get through. */
  password: Limit;
  /** Wrong passwords per name or known device, wherever they come from. */
  lockout: Lockout;
  /** Wrong passwords per network, whatever the names. */
  loginAddress: Budget;
  /** Failed authentications of clients, per network and client. */
  clientAuth: Budget;
  /** Attempts to change a password, per user. */
  passwordChange: Limit;
  /** Attempts to take another username, per user. */
  usernameChange: Limit;
  /** Rotations per session. Retries are free. */
  refresh: Limit;
  /** User codes of the device flow that nobody was given, per address. */
  userCode: Limit;
  /** Clients that register themselves and change their registrations, per address. */
  registration: Limit;
  /** Documents and keys that are fetched for clients nobody has logged in with yet, per address. */
  fetch: Limit;
  /** The same whoever asks for them. */
  fetchTotal: Limit;
  /** Records kept for nobody known: begun logins, browser sessions without a user, pushed requests; per network. */
  anonymousRecords: Limit;
  /** Refusals that have been recorded. */
  refusals: Refusals;
  close: () => Promise<void>;
}

/** Which refusals repeat an earlier one. */
export interface Refusals {
  /** Whether none by this key was asked about in the last `seconds`, which are those of the one before. */
  isFirst: (seconds: number, ...key: string[]) => Promise<boolean>;
}

/**
 * As many wrong codes as a person in a hurry may type while one lives. Where a thousand of the 20^8 codes wait for their
 * owners, an address finds one in some 50 years (RFC 8628, 5.1).
 */
const wrongUserCodes: Allowance = { points: 10, seconds: 600 };

/** An app registers once for each person that installs it; behind one address there may be a few. */
const registrations: Allowance = { points: 20, seconds: 3_600 };

/** A person tries a client or two; ten users behind one address a few more. */
const fetches: Allowance = { points: 30, seconds: 60 };

/** Each may hold a connection for 2.5 seconds, and be a request to somebody who has not asked for it. */
const allFetches: Allowance = { points: 600, seconds: 60 };

/** A hundred people behind one address may begin to log in within a minute, a few times each. */
const anonymousAllowance: Allowance = { points: 600, seconds: 60 };

/** Each attempt tells whether a name is taken. */
const usernameChanges: Allowance = { points: 10, seconds: 3_600 };

/** A client that was set up wrongly is heard again after minutes; secrets of 128 bits would bear any number. */
export const clientAuthAllowance: Allowance = { points: 20, seconds: 300 };

/** Opens the limits; `off` counts nothing. */
export async function openRateLimits(db: Db, settings: RateLimitSettings, log: Log): Promise<RateLimits> {
  if (settings.store === 'off') return unlimited;
  const store = await openLimitStore(db, settings.store, log);
  return {
    password: openLimit(store, 'password', settings.password),
    lockout: createLockout(store, settings.lockout),
    loginAddress: openBudget(store, 'login_address', settings.loginAddress),
    // Of this process alone: whether a client may go on is asked by every refresh and introspection.
    clientAuth: openBudget(memoryStore, 'client_auth', clientAuthAllowance),
    passwordChange: openLimit(store, 'password_change', settings.passwordChange),
    usernameChange: openLimit(store, 'username_change', usernameChanges),
    refresh: openLimit(store, 'refresh', settings.refresh),
    userCode: openLimit(store, 'user_code', wrongUserCodes),
    registration: openLimit(store, 'registration', registrations),
    fetch: openLimit(store, 'fetch', fetches),
    fetchTotal: openLimit(store, 'fetch_in_all', allFetches),
    anonymousRecords: openLimit(store, 'strangers', anonymousAllowance),
    refusals: openRefusals(),
    close: store.close,
  };
}

const pass = async () => {};
const noLimit: Limit = { consume: pass, refund: pass, left: async () => Infinity };
const noBudget: Budget = { check: pass, count: async () => 1 };
const unlimited: RateLimits = {
  password: noLimit,
  lockout: {
    check: pass,
    count: async () => Object.assign(async () => {}, { hasLocked: false }),
    clear: pass,
  },
  loginAddress: noBudget,
  clientAuth: noBudget,
  passwordChange: noLimit,
  usernameChange: noLimit,
  refresh: noLimit,
  userCode: noLimit,
  registration: noLimit,
  fetch: noLimit,
  fetchTotal: noLimit,
  anonymousRecords: noLimit,
  refusals: { isFirst: async () => true },
  close: pass,
};

function openLimit(store: LimitStore, keyPrefix: string, { points, seconds }: Allowance): Limit {
  const limiter: RateLimiterAbstract = store.open({ keyPrefix, points, duration: seconds });
  return {
    async consume(...key) {
      await asRateLimited(limiter.consume(keyOf(key)));
    },
    async refund(...key) {
      await limiter.reward(keyOf(key));
    },
    async left(...key) {
      return points - ((await limiter.get(keyOf(key)))?.consumedPoints ?? 0);
    },
  };
}

// Of this process alone: an event more a node does no harm, a question to the database for each refusal would.
function openRefusals(): Refusals {
  const first = memoryStore.open({ keyPrefix: 'refusals', points: 1, duration: 1 });
  return {
    async isFirst(customDuration, ...key) {
      const { consumedPoints } = await first.penalty(keyOf(key), 1, { customDuration });
      return consumedPoints === 1;
    },
  };
}

function openBudget(store: LimitStore, keyPrefix: string, { points, seconds }: Allowance): Budget {
  const limiter = store.open({ keyPrefix, points, duration: seconds });
  return {
    async check(...key) {
      const spent = await limiter.get(keyOf(key));
      if (spent && spent.consumedPoints >= points && spent.msBeforeNext > 0)
        await asRateLimited(Promise.reject(spent));
    },
    async count(...key) {
      return (await limiter.penalty(keyOf(key))).consumedPoints;
    },
  };
}
