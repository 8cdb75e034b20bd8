// Trying a password, wherever that is: the limits first, then the hash. Nothing else in the server verifies passwords.
import { AppError } from '../lib/errors.ts';
import { newId } from '../lib/ids.ts';
import type { AuditBatch, EventType, Origin } from './audit.ts';
import { type Authentication, authenticate } from './credentials.ts';
import type { Db } from './db.ts';
import { findKnownDevice } from './devices.ts';
import { nameKey } from './names.ts';
import { requireRoomToHash } from './passwords.ts';
import type { RateLimits } from './rate_limits.ts';
import { findUserByLogin, type User } from './users.ts';

/** What trying a password needs of the services. */
export interface Guarded {
  db: Db;
  limits: RateLimits;
  audit: AuditBatch;
}

export interface LoginAttempt {
  /** A username or an e-mail address, as it was typed. */
  login: string;
  /** Whom that means, when it has been looked up already. */
  user?: User | null;
  password: string;
  /** What the client calls the device. */
  device_id?: string | undefined;
  client_id: string | null;
  origin: Origin;
}

/**
 * Verifies a name and a password under the limits of {@link attemptPassword}. A name that nobody has is counted like
 * a user, so that a refusal does not tell who exists.
 */
export async function attemptLogin(services: Guarded, attempt: LoginAttempt): Promise<Authentication> {
  const { db } = services;
  const { login, password, device_id, client_id, origin } = attempt;
  const user = attempt.user === undefined ? await findUserByLogin(db, login) : attempt.user;
  // For nobody the same question is asked, so that time does not tell.
  const device = device_id ? await findKnownDevice(db, user?.id ?? newId(), device_id) : null;
  const who = user ? userOnDevice(user.id, device?.id ?? null) : ['name', nameKey(login)];
  return await attemptPassword(services, { who, user, password, event: 'login_failed', client_id, origin });
}

/**
 * By what a user's failures are counted. By the user and not by the name that was typed, or everybody with an e-mail
 * address would have two counters; who guesses that a name and an address are one user's can therefore find it out,
 * ten failures a guess. A device that has logged in before counts for itself, so that strangers cannot lock it out.
 */
export function userOnDevice(user_id: string, device: string | null): string[] {
  return ['user', user_id, device ?? ''];
}

export interface PasswordAttempt {
  who: string[];
  user: User | null;
  password: string;
  /** What to record when it fails. */
  event: EventType;
  client_id: string | null;
  session_id?: string;
  origin: Origin;
}

/**
 * Verifies a password, unless there were too many wrong ones: refuses with `rate_limited`, and then neither hashes nor
 * lets on whether it would have been right. Failures count by `who`, whatever the password is asked for, and more
 * strictly by `who` and address.
 */
export async function attemptPassword(
  services: Guarded,
  { event, ...attempt }: PasswordAttempt,
): Promise<Authentication> {
  const { user, client_id, session_id, origin } = attempt;
  const record = (reason: string) =>
    services.audit.add({
      type: event,
      user_id: user?.id ?? null,
      session_id: session_id ?? null,
      client_id,
      reason,
      ...origin,
    });
  try {
    const result = await verifyWithinLimits(services, attempt);
    if (result.outcome === 'refused') record('wrong_credentials');
    else if (result.outcome === 'inactive') record(`account_${result.user.status}`);
    return result;
  } catch (error) {
    if (error instanceof AppError && error.code === 'rate_limited') record('rate_limited');
    throw error;
  }
}

async function verifyWithinLimits(
  { db, limits }: Guarded,
  { who, user, password, origin }: Pick<PasswordAttempt, 'who' | 'user' | 'password' | 'origin'>,
): Promise<Authentication> {
  const where = [...who, origin.ip ?? ''];
  // First, so that an attempt which is not looked at does not count.
  requireRoomToHash();
  await limits.lockout.check(...who);
  await limits.password.consume(...where);
  await limits.lockout.count(...who);
  const result = await authenticate(db, user, password);
  if (result.outcome !== 'refused') {
    await Promise.all([limits.lockout.clear(...who), limits.password.forgive(...where)]);
  }
  return result;
}
