// What a password proves: which user it authenticates, and whether that proof still holds later.

import { digest } from '../../lib/crypto.ts';
import type { Db } from '../store/db.ts';
import { isActive } from '../users/active_users.ts';
import { replacePasswordHash } from '../users/user_changes.ts';
import { findSettledUser, findUser, type User } from '../users/users.ts';
import { hashPassword, isOutdated, verifyPassword } from './password_hash.ts';

export type Authentication =
  | { outcome: 'authenticated'; user: User }
  /** The password was right, but the user may not log in. Only a caller who knew the password may learn why. */
  | { outcome: 'inactive'; user: User }
  /**
   * No such user or a wrong password: one answer, at one cost. With `recovery_required` the password was right and is good for nothing
   * any more (`users.password_use`); only a caller who knew it may learn that.
   */
  | { outcome: 'refused'; reason?: 'recovery_required' };

/**
 * Verifies the password of a user; null stands for a name without a user. An outdated hash is replaced, and the user in the
 * answer has the new one.
 */
export async function authenticate(db: Db, user: User | null, password: string): Promise<Authentication> {
  const stored = user?.password_hash ?? null;
  if (!(await verifyPassword(password, stored)) || !user || !stored) return { outcome: 'refused' };
  if (!isOutdated(stored)) return await asActive(db, user);
  const password_hash = await hashPassword(password);
  if (await replacePasswordHash(db, user.id, stored, password_hash))
    return await asActive(db, { ...user, password_hash });
  // Another login has replaced the hash, or the password was changed: verify against the current hash.
  return await authenticate(db, await findUser(db, user.id), password);
}

async function asActive(db: Db, user: User): Promise<Authentication> {
  if (!(await isActive(db, user))) return { outcome: 'inactive', user };
  return user.password_use === 'recover'
    ? { outcome: 'refused', reason: 'recovery_required' }
    : { outcome: 'authenticated', user };
}

/**
 * The proof that a password was right, kept until the login is complete. It is void after a change of the password, and
 * after all sessions of the user have ended: that ending includes this login.
 */
export function proofOf({
  password_hash,
  session_epoch,
}: Pick<User, 'password_hash' | 'session_epoch'>): string {
  return digest(`${password_hash ?? ''}${session_epoch === 0 ? '' : ` ${session_epoch}`}`);
}

/** Whether a proof is still valid, see {@link proofOf}. Waits for a change that is being committed. */
export async function isProved(db: Db, user_id: string, proof: string): Promise<boolean> {
  return (await findProved(db, user_id, proof)) !== null;
}

/** The user whose proof this is, while it is valid; else null. Waits like {@link isProved}. */
export async function findProved(db: Db, user_id: string, proof: string): Promise<User | null> {
  const user = await findSettledUser(db, user_id);
  return user && proofOf(user) === proof ? user : null;
}
