// What trying a password needs, without a server around it: limits of a test's own making, and an audit trail.
import type { ExecutionContext } from 'ava';
import type { Knex } from 'knex';
import type { RateLimitSettings } from '../../config/rate_limits.ts';
import { createAuditBatch } from '../../src/core/audit.ts';
import type { Guarded } from '../../src/core/login_attempts.ts';
import { openRateLimits } from '../../src/core/rate_limits.ts';
import { createLog } from '../../src/lib/log.ts';

const log = createLog({ level: 'silent' });

/** Limits so wide that only what a test sets is felt. */
export const wide: RateLimitSettings = {
  store: 'memory',
  password: { points: 1_000, seconds: 60 },
  refresh: { points: 1_000, seconds: 60 },
  passwordChange: { points: 1_000, seconds: 60 },
  lockout: { failures: 1_000, firstDelay: 60, longestDelay: 900 },
};

/** Opened with `settings` beside the wide ones; closed with the test. */
export async function makeGuarded(
  t: ExecutionContext,
  db: Knex,
  settings: Partial<RateLimitSettings>,
): Promise<Guarded> {
  const limits = await openRateLimits(db, { ...wide, ...settings }, log);
  const audit = createAuditBatch(db, log);
  t.teardown(async () => {
    await audit.close();
    await limits.close();
  });
  return { db, limits, audit };
}
