// Rate limits: every limit with its number and its reason.
import type { RateLimiterAbstract } from 'rate-limiter-flexible';
import type { Allowance, RateLimitSettings } from '../../../config/rate_limits.ts';
import type { Log } from '../../lib/log.ts';
import type { Db } from '../store/db.ts';
import { createLockout, type Lockout } from './lockout.ts';
import { type MailLimit, noMailLimit, openMailLimit } from './mail_limits.ts';
import { asRateLimited, keyOf, type LimitStore, memoryStore, openLimitStore } from './rate_limit_stores.ts';

export interface Limit {
  /** Counts one attempt; refuses with `rate_limited` and the seconds to wait when there were too many. */
  consume: (...key: string[]) => Promise<void>;
  /** Takes back one attempt that turned out not to count. */
  refund: (...key: string[]) => Promise<void>;
  /** Removes all attempts. */
  clear: (...key: string[]) => Promise<void>;
  /** The number of attempts that are left. */
  left: (...key: string[]) => Promise<number>;
}

/** Counts failures only, after each of them: successes cost nothing, however many there are at once. */
export interface Budget {
  /** Refuses with `rate_limited` and the seconds to wait when it is used up. */
  check: (...key: string[]) => Promise<void>;
  /** Counts a failure, and returns the number of failures. */
  count: (...key: string[]) => Promise<number>;
}

export interface RateLimits {
  /** Wrong passwords per name (or known device) and network. Counted before hashing, so that a burst does not get through. */
  password: Limit;
  /** Wrong passwords per name or known device, wherever they come from. */
  lockout: Lockout;
  /** Wrong passwords per network, whatever the names. */
  loginAddress: Budget;
  /** Wrong one-time codes per network, whatever the requests. */
  codeAddress: Budget;
  /** Failed authentications of clients, per network and client. */
  clientAuth: Budget;
  /** Attempts to change a password, per user. */
  passwordChange: Limit;
  /** Exports of the own data, per user. */
  userExport: Limit;
  /** Attempts to take another username, per user. */
  usernameChange: Limit;
  /** Requests to change or prove the address, per user. */
  addressChange: Limit;
  /** Mails with a code or link to one mailbox, over all purposes and requesters. */
  mail: MailLimit;
  /** Requests that cause such mails, per network. */
  mailAddress: Limit;
  /** Rotations per session. Retries are free. */
  refresh: Limit;
  /** Wrong user codes of the device flow, per address. */
  userCode: Limit;
  /** Dynamic client registrations and their changes, per address. */
  registration: Limit;
  /** Fetches of documents and keys for clients with which no user has logged in yet, per address. */
  fetch: Limit;
  /** The same for all addresses together. */
  fetchTotal: Limit;
  /** Records stored for unknown users: logins under way, browser sessions without a user, pushed requests; per network. */
  anonymousRecords: Limit;
  /** Refusals that were recorded already. */
  refusals: Refusals;
  close: () => Promise<void>;
}

/** Tells a first refusal from its repetitions. */
export interface Refusals {
  /** True unless this was called with the same key within the `seconds` that the earlier call gave. */
  isFirst: (seconds: number, ...key: string[]) => Promise<boolean>;
}

/**
 * As many wrong codes as a person in a hurry may type during the lifetime of one. With a thousand of the 20^8 codes pending,
 * an address guesses one in some 50 years (RFC 8628, 5.1).
 */
const wrongUserCodes: Allowance = { points: 10, seconds: 600 };

/** An app registers once for each installation; one address may have a few. */
const registrations: Allowance = { points: 20, seconds: 3_600 };

/** A user tries a client or two; ten users behind one address try a few more. */
const fetches: Allowance = { points: 30, seconds: 60 };

/** Each fetch may hold a connection for 2.5 seconds, and may be aimed at a server that did not ask for it. */
const allFetches: Allowance = { points: 600, seconds: 60 };

/** A hundred users behind one address may begin to log in within a minute, a few times each. */
const anonymousAllowance: Allowance = { points: 600, seconds: 60 };

/** Each attempt reveals whether a name is taken. */
const usernameChanges: Allowance = { points: 10, seconds: 3_600 };

/** Each request verifies a password and sends a mail, and a person may ask again for one that is late. */
const addressChanges: Allowance = { points: 10, seconds: 3_600 };

/** A misconfigured client may try again after minutes; secrets of 128 bits could not be guessed at any rate. */
export const clientAuthAllowance: Allowance = { points: 20, seconds: 300 };

/** Opens the limits; `off` counts nothing. */
export async function openRateLimits(db: Db, settings: RateLimitSettings, log: Log): Promise<RateLimits> {
  if (settings.store === 'off') return unlimited;
  const store = await openLimitStore(db, settings.store, log);
  return {
    password: openLimit(store, 'password', settings.password),
    lockout: createLockout(store, settings.lockout),
    loginAddress: openBudget(store, 'login_address', settings.loginAddress),
    codeAddress: openBudget(store, 'code_address', settings.loginAddress),
    // Counted per process, because every refresh and introspection checks it.
    clientAuth: openBudget(memoryStore, 'client_auth', clientAuthAllowance),
    passwordChange: openLimit(store, 'password_change', settings.passwordChange),
    userExport: openLimit(store, 'user_export', { points: 1, seconds: 600 }),
    usernameChange: openLimit(store, 'username_change', usernameChanges),
    addressChange: openLimit(store, 'address_change', addressChanges),
    mail: openMailLimit(store, settings.mail),
    mailAddress: openLimit(store, 'mail_address', settings.mailAddress),
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
const noLimit: Limit = { consume: pass, refund: pass, clear: pass, left: async () => Infinity };
const noBudget: Budget = { check: pass, count: async () => 1 };
const unlimited: RateLimits = {
  password: noLimit,
  lockout: {
    check: pass,
    count: async () => Object.assign(async () => {}, { hasLocked: false }),
    clear: pass,
  },
  loginAddress: noBudget,
  codeAddress: noBudget,
  clientAuth: noBudget,
  passwordChange: noLimit,
  userExport: noLimit,
  usernameChange: noLimit,
  addressChange: noLimit,
  mail: noMailLimit,
  mailAddress: noLimit,
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
    async clear(...key) {
      await limiter.delete(keyOf(key));
    },
    async left(...key) {
      return points - ((await limiter.get(keyOf(key)))?.consumedPoints ?? 0);
    },
  };
}

// Counted per process: one more event per node does no harm, a query for each refusal would.
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
