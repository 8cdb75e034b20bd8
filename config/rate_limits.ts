// The settings of rate limits and lockouts: their syntax, and their parsed form.
import { z } from 'zod';

/** The number of attempts that are allowed in a number of seconds. */
export interface Allowance {
  points: number;
  seconds: number;
}

export interface RateLimitSettings {
  /** `off`, `memory`, `database`, or the URL of a Redis. */
  store: string;
  password: Allowance;
  /** Failed logins of one network, over all names. */
  loginAddress: Allowance;
  refresh: Allowance;
  passwordChange: Allowance;
  /** Mails with a code or link to one mailbox. */
  mail: Allowance;
  /** Requests of one network that cause such mails. */
  mailAddress: Allowance;
  /** Delays in seconds. */
  lockout: { failures: number; firstDelay: number; longestDelay: number };
}

/** The store of the counters. */
export const limitStore = z
  .string()
  .refine(
    (value) => /^(off|memory|database)$/.test(value) || isRedisUrl(value),
    'must be off, memory, database or redis://…',
  )
  .default('memory');

/** `5/60`: five attempts in sixty seconds. */
export const allowance = (fallback: string) =>
  z
    .string()
    .regex(/^[1-9]\d{0,5}\/[1-9]\d{0,5}$/, 'must be <how many>/<seconds>, like 5/60')
    .default(fallback);

/** `10/60/900`: the tenth failure locks for 60 seconds, each further one for twice as long, up to 900 seconds. */
export const lockout = z
  .string()
  .regex(
    /^[1-9]\d{0,4}(\/[1-9]\d{0,4}){2}$/,
    'must be <failures>/<first delay>/<longest delay>, like 10/60/900',
  )
  .refine((value) => {
    const [, first = 0, longest = 0] = value.split('/').map(Number);
    return first <= longest;
  }, 'the longest delay must not be shorter than the first')
  .default('10/60/900');

/** Parses the settings of rate limits, which the schemas have validated. */
export function parseRateLimits(values: {
  RATE_LIMITS: string;
  RATE_LIMIT_PASSWORD: string;
  RATE_LIMIT_LOGIN_ADDRESS: string;
  RATE_LIMIT_REFRESH: string;
  RATE_LIMIT_PASSWORD_CHANGE: string;
  RATE_LIMIT_MAIL: string;
  RATE_LIMIT_MAIL_ADDRESS: string;
  LOCKOUT: string;
}): RateLimitSettings {
  const [failures = 0, firstDelay = 0, longestDelay = 0] = values.LOCKOUT.split('/').map(Number);
  return {
    store: values.RATE_LIMITS,
    password: parseAllowance(values.RATE_LIMIT_PASSWORD),
    loginAddress: parseAllowance(values.RATE_LIMIT_LOGIN_ADDRESS),
    refresh: parseAllowance(values.RATE_LIMIT_REFRESH),
    passwordChange: parseAllowance(values.RATE_LIMIT_PASSWORD_CHANGE),
    mail: parseAllowance(values.RATE_LIMIT_MAIL),
    mailAddress: parseAllowance(values.RATE_LIMIT_MAIL_ADDRESS),
    lockout: { failures, firstDelay, longestDelay },
  };
}

function parseAllowance(value: string): Allowance {
  const [points = 0, seconds = 0] = value.split('/').map(Number);
  return { points, seconds };
}

function isRedisUrl(value: string): boolean {
  return /^rediss?:$/.test(URL.parse(value)?.protocol ?? '');
}
