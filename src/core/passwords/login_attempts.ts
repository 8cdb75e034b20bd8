// Verifies passwords under the limits: checks and counts first, then hashes. No other code of the server verifies passwords.
import { AppError } from '../../lib/errors.ts';
import { newId } from '../../lib/ids.ts';
import { networkOf } from '../../lib/network.ts';
import type { AuditBatch } from '../audit/audit_batch.ts';
import type { EventType } from '../audit/audit_events.ts';
import { refundOnFault } from '../limits/attempts.ts';
import type { RateLimits } from '../limits/rate_limits.ts';
import type { RequestSource } from '../request_source.ts';
import type { Db } from '../store/db.ts';
import { type DeviceProof, findKnownDevice } from '../users/known_devices.ts';
import { loginKey } from '../users/names.ts';
import { findUserByLogin, type User } from '../users/users.ts';
import { type Authentication, authenticate } from './credentials.ts';
import { requireRoomToHash } from './password_hash.ts';

/** The parts of `Deps` that an attempt needs. */
export interface AttemptDeps {
  db: Db;
  limits: RateLimits;
  audit: AuditBatch;
}

export interface LoginAttempt {
  /** A username or e-mail address, as typed. */
  login: string;
  /** The user of that name, when it has been looked up already. */
  user?: User | null;
  password: string;
  /** Evidence that the user has logged in on this device before. */
  device?: DeviceProof;
  client_id: string | null;
  source: RequestSource;
}

/** The outcome of an attempt, and the known device or browser that it was made on, if any. */
export type LoginResult = Authentication & { known: string | null };

/**
 * Verifies a name and a password under the limits of {@link attemptPassword}. Failures are counted by the name that was
 * typed, whether a user has that name or not: no order of attempts reveals which users exist, or that two names belong to
 * one user. A known device has a count of its own, so that failures on other devices cannot lock it out.
 */
export async function attemptLogin(deps: AttemptDeps, attempt: LoginAttempt): Promise<LoginResult> {
  const { db } = deps;
  const { login, password, device = {}, client_id, source } = attempt;
  const user = attempt.user === undefined ? await findUserByLogin(db, login) : attempt.user;
  // Without a user the same query runs, so that the duration reveals nothing.
  const known = await findKnownDevice(db, user ?? { id: newId(), password_hash: null }, device);
  const failureKey = known === null ? (['name', loginKey(login)] as const) : onKnownDevice(known);
  const result = await attemptPassword(deps, {
    failureKey,
    user,
    password,
    event: 'login_failed',
    client_id,
    source,
  });
  return { ...result, known };
}

/** The key under which failures are counted: a name, which an attacker can type too, or a known device or session. */
export type FailureKey = readonly ['name' | 'known', string];

/** The count of a known device, browser or session. */
export function onKnownDevice(id: string): FailureKey {
  return ['known', id];
}

export interface PasswordAttempt {
  failureKey: FailureKey;
  user: User | null;
  password: string;
  /** The event to record when the attempt fails. */
  event: EventType;
  client_id: string | null;
  session_id?: string;
  source: RequestSource;
}

/**
 * Verifies a password. After too many wrong ones it refuses with `rate_limited` without hashing, so that the refusal does
 * not reveal whether the password was right. Failures count by `failureKey`, more strictly by `failureKey` and network, and,
 * where a name was typed, by network alone, so that one password is not tried on many users.
 */
export async function attemptPassword(
  deps: AttemptDeps,
  { event, ...attempt }: PasswordAttempt,
): Promise<Authentication> {
  const { user, client_id, session_id, source } = attempt;
  const record = (reason: string, detail: Record<string, unknown> | null = null) =>
    deps.audit.add({
      type: event,
      user_id: user?.id ?? null,
      session_id: session_id ?? null,
      client_id,
      reason,
      detail,
      ...source,
    });
  const recordRefusal: RecordRefusal = async (key, limit) => {
    try {
      return await limit;
    } catch (error) {
      if (await isFirstRefusal(deps.limits, [event, ...key], error)) record('rate_limited');
      throw error;
    }
  };
  const { result, hasLocked } = await verifyWithinLimits(deps, attempt, recordRefusal);
  if (result.outcome === 'refused')
    record(result.reason ?? 'wrong_credentials', hasLocked ? { lockout: true } : null);
  else if (result.outcome === 'inactive') record(`account_${result.user.status}`);
  return result;
}

/** Awaits a limit, and records a refusal of it. */
type RecordRefusal = <Result>(key: readonly string[], limit: Promise<Result>) => Promise<Result>;

// A refusal is cheap, so an event for each would let an attacker fill the audit trail. Only the first refusal until the next
// allowed attempt is recorded.
async function isFirstRefusal(limits: RateLimits, key: readonly string[], error: unknown): Promise<boolean> {
  if (!(error instanceof AppError) || error.code !== 'rate_limited') return false;
  return await limits.refusals.isFirst(error.retryAfter ?? 60, ...key);
}

async function verifyWithinLimits(
  { db, limits }: AttemptDeps,
  {
    failureKey,
    user,
    password,
    source,
  }: Pick<PasswordAttempt, 'failureKey' | 'user' | 'password' | 'source'>,
  recordRefusal: RecordRefusal,
): Promise<{ result: Authentication; hasLocked: boolean }> {
  // First, so that an attempt that is not verified does not count.
  requireRoomToHash();
  const network = networkOf(source.ip);
  const isKnown = failureKey[0] === 'known';
  if (!isKnown) await recordRefusal(['network', network], limits.loginAddress.check(network));
  await recordRefusal(failureKey, limits.lockout.check(...failureKey));
  const { forgive, unlock } = await recordRefusal(failureKey, countTry(limits, failureKey, network));
  const takeBack = async () => {
    await Promise.all([forgive(), unlock()]);
  };
  const result = await refundOnFault(takeBack, () => authenticate(db, user, password));
  // A right password that is not good for a login is no guess.
  if (result.outcome !== 'refused' || result.reason) {
    // Earlier failures of a name stay: clearing them would reveal to an attacker that the owner has logged in.
    await (isKnown ? Promise.all([forgive(), limits.lockout.clear(...failureKey)]) : takeBack());
  } else if (!isKnown) await limits.loginAddress.count(network);
  return { result, hasLocked: unlock.hasLocked && result.outcome === 'refused' && !result.reason };
}

// Counts an attempt as a failure before it is verified, and returns what undoes that.
async function countTry(limits: RateLimits, failureKey: FailureKey, network: string) {
  const forgive = () => limits.password.refund(...failureKey, network);
  await limits.password.consume(...failureKey, network);
  const unlock = await refundOnFault(forgive, () => limits.lockout.count(...failureKey));
  return { forgive, unlock };
}
