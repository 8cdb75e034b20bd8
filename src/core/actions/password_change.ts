// A user changes the password: the current one is required, and every other session ends.
import type { Knex } from 'knex';
import { AppError } from '../../lib/errors.ts';
import { recordEvents } from '../audit/audit.ts';
import { isBrowserSession } from '../engine_records/browser_session_records.ts';
import { withLimit } from '../limits/attempts.ts';
import { enqueueNotice } from '../mail/notices.ts';
import { type AttemptDeps, attemptPassword, onKnownDevice } from '../passwords/login_attempts.ts';
import { hashPassword, requireRoomToHash } from '../passwords/password_hash.ts';
import { requireStrongPassword } from '../passwords/password_policy.ts';
import type { RequestSource } from '../request_source.ts';
import { beginEndingAll } from '../sessions/end_many.ts';
import { type BegunEnding, finishEnding } from '../sessions/pending_endings.ts';
import { findUserSession } from '../sessions/session_list.ts';
import type { Db } from '../store/db.ts';
import { present } from '../store/sql_time.ts';
import { isActive } from '../users/active_users.ts';
import { stayKnown } from '../users/known_devices.ts';
import { findUser, lockUser, type User } from '../users/users.ts';

export type Asker =
  | { session_id: string }
  /** With the secrets that identify the browser (known_devices.ts). */
  | { browser_session: string; browser: string[] };

export interface PasswordChange {
  user_id: string;
  /** The session, or the browser session at our pages, that asks. It goes on; everything else ends. */
  asker: Asker;
  current_password: string;
  new_password: string;
  source: RequestSource;
}

/**
 * Replaces the password and, in the same transaction, raises the user's `token_version` and ends the user's other
 * sessions. Once it has returned, nothing that the old password opened works, except the session that asked, which
 * refreshes once and goes on. Returns how many sessions ended. Refuses with `weak_password`, `password_not_set`,
 * `rate_limited`, `invalid_credentials` when the current password is wrong, and `invalid_token` when the session or
 * its user is gone.
 */
export async function changePassword(deps: AttemptDeps, change: PasswordChange): Promise<number> {
  const { db, limits } = deps;
  const user = await requireUser(db, change.user_id);
  if (user.password_hash === null) throw new AppError('password_not_set');
  // First, so that a weak new password does not use up one of the limited attempts.
  await requireStrongPassword(change.new_password, user);
  requireRoomToHash();
  return await withLimit(limits.passwordChange, [user.id], () => proveAndReplace(deps, change));
}

async function proveAndReplace(deps: AttemptDeps, change: PasswordChange): Promise<number> {
  for (let round = 0; round < 2; round += 1) {
    const proved = await proveCurrentPassword(deps, change);
    const password_hash = await hashPassword(change.new_password);
    const begun = await deps.db.transaction((tx) => replacePassword(tx, change, proved, password_hash));
    if (begun) return await finishEnding(deps.db, begun);
    // Another change has committed first, and the second round refuses; or a login has replaced an outdated hash of the
    // same password, and the second round accepts it.
  }
  throw new AppError('invalid_credentials');
}

// Returns the hash that the current password matched.
async function proveCurrentPassword(
  deps: AttemptDeps,
  { user_id, asker, current_password, source }: PasswordChange,
): Promise<string | null> {
  const user = await requireUser(deps.db, user_id);
  const { place, client_id, session_id } = await requireAsker(deps.db, user_id, asker);
  const result = await attemptPassword(deps, {
    failureKey: onKnownDevice(place),
    user,
    password: current_password,
    event: 'password_change_failed',
    client_id,
    ...(session_id === null ? {} : { session_id }),
    source,
  });
  if (result.outcome === 'refused') throw new AppError('invalid_credentials');
  if (result.outcome === 'inactive') throw new AppError('invalid_token');
  return result.user.password_hash;
}

// Null when the hash that was verified is no longer the user's: of two changes with one old password, one wins.
async function replacePassword(
  tx: Knex.Transaction,
  { user_id, asker, source }: PasswordChange,
  proved: string | null,
  password_hash: string,
): Promise<BegunEnding | null> {
  const user = await lockUser(tx, user_id);
  if (!user || !(await isActive(tx, user))) throw new AppError('invalid_token');
  // A session that ended meanwhile (perhaps because the user suspects a thief) may not change the password.
  const { session_id, browser_session, client_id, device } = await requireAsker(tx, user_id, asker);
  if (user.password_hash !== proved) return null;
  await tx('users')
    .where({ id: user_id })
    .update({ password_hash, password_use: null, updated_at: present(tx) })
    .increment({ token_version: 1, code_version: 1 });
  const by = { actor: 'user', actor_id: user_id, source } as const;
  await recordEvents(tx, [
    { type: 'password_changed', user_id, session_id, client_id, actor: 'user', actor_id: user_id, ...source },
  ]);
  const ending = { ...by, reason: 'password_changed' } as const;
  const begun = await beginEndingAll(tx, user_id, ending, { kept: { session_id, browser_session } });
  // Devices are locked after their sessions: a transaction that ends one session holds its lock and waits for the device.
  const places = { device, browser: 'browser' in asker ? asker.browser : [] };
  await stayKnown(tx, { id: user_id, password_hash }, places);
  await enqueueNotice(tx, user, 'password_changed', { source });
  return begun;
}

interface KnownAsker {
  session_id: string | null;
  /** The browser in which the asking session was opened, or which asks itself. */
  browser_session: string | null;
  client_id: string | null;
  device: string | null;
  /** What failures are counted by: the device, else the session or browser session. */
  place: string;
}

async function requireAsker(db: Db, user_id: string, asker: Asker): Promise<KnownAsker> {
  if ('browser_session' in asker) {
    const { browser_session } = asker;
    if (!(await isBrowserSession(db, user_id, browser_session))) throw new AppError('invalid_token');
    return { session_id: null, browser_session, client_id: null, device: null, place: browser_session };
  }
  const session = await findUserSession(db, user_id, asker.session_id);
  if (!session || session.ended_at || session.is_expired) throw new AppError('invalid_token');
  const { id, browser_session, client_id, device_id } = session;
  return { session_id: id, browser_session, client_id, device: device_id, place: device_id ?? id };
}

async function requireUser(db: Db, id: string): Promise<User> {
  const user = await findUser(db, id);
  if (!user) throw new AppError('invalid_token');
  return user;
}
