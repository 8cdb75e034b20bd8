// Trying a password, wherever that is: the limits first, then the hash. Nothing else in the server verifies passwords.

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
import { nameKey } from '../users/names.ts';
import { findUserByLogin, type User } from '../users/users.ts';
import { type Authentication, authenticate } from './credentials.ts';
import { requireRoomToHash } from './password_hash.ts';

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
  /** What shows that the user has logged in there before. */
  device?: DeviceProof;
  client_id: string | null;
  source: RequestSource;
}

/** What an attempt came to, and the known device or browser that it was made on, if any. */
export type LoginResult = Authentication & { known: string | null };

/**
 * Verifies a name and a password under the limits of {@link attemptPassword}. Failures are counted by the name that was
 * typed, whether anybody has it or not: by no order of attempts does a refusal tell who exists, or that two names are
 * one user's. A device that is known counts for itself, so that strangers cannot lock it out.
 */
export async function attemptLogin(deps: Guarded, attempt: LoginAttempt): Promise<LoginResult> {
  const { db } = deps;
  const { login, password, device = {}, client_id, source } = attempt;
  const user = attempt.user === undefined ? await findUserByLogin(db, login) : attempt.user;
  // For nobody the same question is asked, so that time does not tell.
  const known = await findKnownDevice(db, user ?? { id: newId(), password_hash: null }, device);
  const who = known === null ? (['name', nameKey(login)] as const) : onKnownDevice(known);
  const result = await attemptPassword(deps, {
    who,
    user,
    password,
    event: 'login_failed',
    client_id,
    source,
  });
  return { ...result, known };
}

/** By what failures are counted: a name, which strangers may type as well, or a device or session that they do not have. */
export type Counted = readonly ['name' | 'known', string];

/** By what the failures of a known device, a browser or a session are counted. */
export function onKnownDevice(id: string): Counted {
  return ['known', id];
}

export interface PasswordAttempt {
  who: Counted;
  user: User | null;
  password: string;
  /** What to record when it fails. */
  event: EventType;
  client_id: string | null;
  session_id?: string;
  source: RequestSource;
}

/**
 * Verifies a password, unless there were too many wrong ones: refuses with `rate_limited`, and then neither hashes nor
 * lets on whether it would have been right. Failures count by `who`, more strictly by `who` and network, and, where a name
 * was typed, by network alone, so that one password is not tried on everybody.
 */
export async function attemptPassword(
  deps: Guarded,
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
  const noteRefusal: NoteRefusal = async (key, limit) => {
    try {
      return await limit;
    } catch (error) {
      if (await isNews(deps.limits, [event, ...key], error)) record('rate_limited');
      throw error;
    }
  };
  const { result, hasLocked } = await verifyWithinLimits(deps, attempt, noteRefusal);
  if (result.outcome === 'refused') record('wrong_credentials', hasLocked ? { lockout: true } : null);
  else if (result.outcome === 'inactive') record(`account_${result.user.status}`);
  return result;
}

/** Awaits a limit, and records a refusal of it. */
type NoteRefusal = <Result>(key: readonly string[], limit: Promise<Result>) => Promise<Result>;

// A refusal costs nothing, so each being an event would let strangers fill the trail: the first until it may be tried
// again is one.
async function isNews(limits: RateLimits, key: readonly string[], error: unknown): Promise<boolean> {
  if (!(error instanceof AppError) || error.code !== 'rate_limited') return false;
  return await limits.refusals.isFirst(error.retryAfter ?? 60, ...key);
}

async function verifyWithinLimits(
  { db, limits }: Guarded,
  { who, user, password, source }: Pick<PasswordAttempt, 'who' | 'user' | 'password' | 'source'>,
  noteRefusal: NoteRefusal,
): Promise<{ result: Authentication; hasLocked: boolean }> {
  // First, so that an attempt which is not looked at does not count.
  requireRoomToHash();
  const network = networkOf(source.ip);
  const isKnown = who[0] === 'known';
  if (!isKnown) await noteRefusal(['network', network], limits.loginAddress.check(network));
  await noteRefusal(who, limits.lockout.check(...who));
  const { forgive, unlock } = await noteRefusal(who, countTry(limits, who, network));
  const takeBack = async () => {
    await Promise.all([forgive(), unlock()]);
  };
  const result = await refundOnFault(takeBack, () => authenticate(db, user, password));
  if (result.outcome !== 'refused') {
    // Earlier failures of a name stay: a stranger would see by their absence that the owner has logged in.
    await (isKnown ? Promise.all([forgive(), limits.lockout.clear(...who)]) : takeBack());
  } else if (!isKnown) await limits.loginAddress.count(network);
  return { result, hasLocked: unlock.hasLocked };
}

// Counts a try as a failure before anybody knows whether it is one; gives what takes it back.
async function countTry(limits: RateLimits, who: Counted, network: string) {
  const forgive = () => limits.password.refund(...who, network);
  await limits.password.consume(...who, network);
  const unlock = await refundOnFault(forgive, () => limits.lockout.count(...who));
  return { forgive, unlock };
}
