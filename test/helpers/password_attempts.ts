// Logins by password without a server: what they need, and their outcomes.
import type { ExecutionContext } from 'ava';
import type { Knex } from 'knex';
import type { RateLimitSettings } from '../../config/rate_limits.ts';
import { createAuditBatch } from '../../src/core/audit/audit_batch.ts';
import { openRateLimits } from '../../src/core/limits/rate_limits.ts';
import {
  type AttemptDeps,
  attemptLogin,
  type LoginAttempt,
} from '../../src/core/passwords/login_attempts.ts';
import { AppError } from '../../src/lib/errors.ts';
import { createLog } from '../../src/lib/log.ts';
import { source } from './builders.ts';
import type { Store } from './stores.ts';

const log = createLog({ level: 'silent' });

/** Limits that no test reaches unless it sets them lower. */
export const wideLimits: RateLimitSettings = {
  store: 'memory',
  password: { points: 1_000, seconds: 60 },
  loginAddress: { points: 1_000, seconds: 60 },
  refresh: { points: 1_000, seconds: 60 },
  mail: { points: 1_000, seconds: 60 },
  mailAddress: { points: 1_000, seconds: 60 },
  passwordChange: { points: 1_000, seconds: 60 },
  lockout: { failures: 1_000, firstDelay: 60, longestDelay: 900 },
};

/** The limits and the audit trail that a login needs, with `settings` on top of the wide limits; closed with the test. */
export async function openLoginDeps(
  t: ExecutionContext,
  db: Knex,
  settings: Partial<RateLimitSettings>,
): Promise<AttemptDeps> {
  const limits = await openRateLimits(db, { ...wideLimits, ...settings }, log);
  const audit = createAuditBatch(db, log);
  t.teardown(async () => {
    await audit.close();
    await limits.close();
  });
  return { db, limits, audit };
}

/** A lockout after three failures, too long to wait for. */
export const lockout = { failures: 3, firstDelay: 600, longestDelay: 9_000 };

const wrong = 'a wrong password';

/** The same with the counters where a deployment on this store keeps them. */
export function openStoreLoginDeps(
  t: ExecutionContext,
  store: Store,
  settings: Partial<RateLimitSettings> = { lockout },
): Promise<AttemptDeps> {
  return openLoginDeps(t, store.db, {
    store: store.name === 'sqlite' ? 'memory' : 'database',
    ...settings,
  });
}

/** The outcome of an attempt, and the seconds to wait when a limit refused it. */
export async function tryOnce(
  deps: AttemptDeps,
  login: string,
  given: string,
  more: Partial<LoginAttempt> = {},
): Promise<[outcome: string, wait: number]> {
  try {
    const all = { login, password: given, client_id: 'app', source, ...more };
    return [(await attemptLogin(deps, all)).outcome, 0];
  } catch (error) {
    if (error instanceof AppError && error.code === 'rate_limited') return ['limited', error.retryAfter ?? 0];
    throw error;
  }
}

/** The outcome alone. */
export async function attempt(...given: Parameters<typeof tryOnce>): Promise<string> {
  return (await tryOnce(...given))[0];
}

/** Tries wrong passwords, one after the other; returns the outcomes. */
export async function failTimes(deps: AttemptDeps, login: string, times: number): Promise<string[]> {
  const outcomes: string[] = [];
  for (let i = 0; i < times; i += 1) outcomes.push(await attempt(deps, login, wrong));
  return outcomes;
}
