// A user changes the password: the old one is needed, and every other session ends.
import type { Knex } from 'knex';
import { AppError } from '../lib/errors.ts';
import { type Origin, recordEvents } from './audit.ts';
import { type Db, present } from './db.ts';
import { clearPushTokens } from './devices.ts';
import { attemptPassword, type Guarded, userOnDevice } from './login_attempts.ts';
import { requireStrongPassword } from './password_policy.ts';
import { hashPassword } from './passwords.ts';
import { endSessions, findUserSession, type ListedSession } from './sessions.ts';
import { findUser, isActive, lockUser, type User } from './users.ts';

export interface PasswordChange {
  user_id: string;
  /** The session that asks; it goes on. */
  session_id: string;
  current_password: string;
  new_password: string;
  origin: Origin;
}

/**
 * Replaces the password and, in the same transaction, raises the user's `token_version` and ends the user's other
 * sessions: when it has returned, nothing that the old password opened is good any more, but for the session that asked,
 * which refreshes once and goes on. Returns how many ended. Refuses with `weak_password`, `password_not_set`,
 * `rate_limited`, `invalid_credentials` when the current password is wrong, and `invalid_token` when the session or
 * its user is gone.
 */
export async function changePassword(services: Guarded, change: PasswordChange): Promise<number> {
  const { db, limits } = services;
  const user = await requireUser(db, change.user_id);
  if (user.password_hash === null) throw new AppError('password_not_set');
  // First, because it costs nothing: nobody uses up the attempts of an hour on passwords that are too short.
  await requireStrongPassword(change.new_password, user);
  await limits.passwordChange.consume(user.id);
  for (let round = 0; round < 2; round += 1) {
    const proved = await proveCurrentPassword(services, change);
    const password_hash = await hashPassword(change.new_password);
    const ended = await db.transaction((tx) => replacePassword(tx, change, proved, password_hash));
    if (ended !== null) return ended;
    // Another change was quicker, and the second round refuses; or a login has replaced an outdated hash of the same
    // password, and the second round finds it right.
  }
  throw new AppError('invalid_credentials');
}

// Gives the hash that the current password was right for.
async function proveCurrentPassword(
  services: Guarded,
  { user_id, session_id, current_password, origin }: PasswordChange,
): Promise<string | null> {
  const user = await requireUser(services.db, user_id);
  const session = await requireSession(services.db, user_id, session_id);
  const result = await attemptPassword(services, {
    who: userOnDevice(user_id, session.device_id),
    user,
    password: current_password,
    event: 'password_change_failed',
    client_id: session.client_id,
    session_id,
    origin,
  });
  if (result.outcome === 'refused') throw new AppError('invalid_credentials');
  if (result.outcome === 'inactive') throw new AppError('invalid_token');
  return result.user.password_hash;
}

// Null when the hash that was proved is no longer the user's: of two changes with one old password, one wins.
async function replacePassword(
  tx: Knex.Transaction,
  { user_id, session_id, origin }: PasswordChange,
  proved: string | null,
  password_hash: string,
): Promise<number | null> {
  const user = await lockUser(tx, user_id);
  if (!user || !isActive(user)) throw new AppError('invalid_token');
  // A session that ended meanwhile (somebody logged out everywhere, from fear of a thief) changes nothing any more.
  const session = await requireSession(tx, user_id, session_id);
  if (user.password_hash !== proved) return null;
  await tx<User>('users')
    .where({ id: user_id })
    .update({ password_hash, updated_at: present(tx) } as never)
    .increment('token_version', 1);
  const by = { actor: 'user', actor_id: user_id, origin } as const;
  const ended = await endSessions(tx, { user_id, except: session_id }, { ...by, reason: 'password_changed' });
  const others = ended.map((one) => one.device_id).filter((device) => device !== session.device_id);
  await clearPushTokens(tx, others);
  const { client_id } = session;
  await recordEvents(tx, [
    { type: 'password_changed', user_id, session_id, client_id, actor: 'user', actor_id: user_id, ...origin },
  ]);
  return ended.length;
}

async function requireUser(db: Db, id: string): Promise<User> {
  const user = await findUser(db, id);
  if (!user) throw new AppError('invalid_token');
  return user;
}

async function requireSession(db: Db, user_id: string, id: string): Promise<ListedSession> {
  const session = await findUserSession(db, user_id, id);
  if (!session || session.ended_at || session.is_expired) throw new AppError('invalid_token');
  return session;
}
