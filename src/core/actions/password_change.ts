// A user changes the password: the current one is required, and every other session ends.
import type { Knex } from 'knex';
import { AppError } from '../../lib/errors.ts';
import { recordEvents } from '../audit/audit.ts';
import { withLimit } from '../limits/attempts.ts';
import { enqueueNotice } from '../mail/notices.ts';
import type { AttemptDeps } from '../passwords/login_attempts.ts';
import { hashPassword, requireRoomToHash } from '../passwords/password_hash.ts';
import { requireStrongPassword } from '../passwords/password_policy.ts';
import { beginEndingAll } from '../sessions/end_many.ts';
import { type BegunEnding, finishEnding } from '../sessions/pending_endings.ts';
import { present } from '../store/sql_time.ts';
import { stayKnown } from '../users/known_devices.ts';
import { lockAsker, type ProvedRequest, proveCurrentPassword, requireUser } from './asker.ts';

/** A request for a new password. The session, or the browser session at our pages, that asks goes on; everything else ends. */
export interface PasswordChange extends ProvedRequest {
  new_password: string;
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
    const proved = await proveCurrentPassword(deps, change, 'password_change_failed');
    const password_hash = await hashPassword(change.new_password);
    const begun = await deps.db.transaction((tx) => replacePassword(tx, change, proved, password_hash));
    if (begun) return await finishEnding(deps.db, begun);
    // Another change has committed first, and the second round refuses; or a login has replaced an outdated hash of the
    // same password, and the second round accepts it.
  }
  throw new AppError('invalid_credentials');
}

// Null when the hash that was verified is no longer the user's: of two changes with one old password, one wins.
async function replacePassword(
  tx: Knex.Transaction,
  { user_id, asker, source }: PasswordChange,
  proved: string | null,
  password_hash: string,
): Promise<BegunEnding | null> {
  const { user, asking } = await lockAsker(tx, user_id, asker);
  const { session_id, browser_session, client_id, device } = asking;
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
