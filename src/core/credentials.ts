// Who somebody is, from a name and a password.
import type { Db } from './db.ts';
import { hashPassword, isOutdated, verifyPassword } from './passwords.ts';
import { findUserByLogin, isActive, replacePasswordHash, type User } from './users.ts';

export type Authentication =
  | { outcome: 'authenticated'; user: User }
  /** The password was right, the user may not log in. Only whoever knew the password may learn why. */
  | { outcome: 'inactive'; user: User }
  /** No such user or a wrong password: one answer, at one cost. */
  | { outcome: 'refused' };

/** Verifies a username or e-mail address and a password; an outdated hash is replaced on the way. */
export async function authenticate(db: Db, login: string, password: string): Promise<Authentication> {
  const user = login.length <= 254 ? await findUserByLogin(db, login) : null;
  const stored = user?.password_hash ?? null;
  if (!(await verifyPassword(password, stored)) || !user || !stored) return { outcome: 'refused' };
  if (isOutdated(stored)) await replacePasswordHash(db, user.id, stored, await hashPassword(password));
  return isActive(user) ? { outcome: 'authenticated', user } : { outcome: 'inactive', user };
}
