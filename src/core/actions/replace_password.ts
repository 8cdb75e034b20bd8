// A user replaces the password that an administrator has generated, in the login for which it was good.
import type { Knex } from 'knex';
import { AppError } from '../../lib/errors.ts';
import { recordEvents } from '../audit/audit.ts';
import type { Deps } from '../deps.ts';
import { withLimit } from '../limits/attempts.ts';
import { enqueueNotice } from '../mail/notices.ts';
import { proofOf } from '../passwords/credentials.ts';
import { hashPassword, requireRoomToHash, verifyPassword } from '../passwords/password_hash.ts';
import { requireStrongPassword } from '../passwords/password_policy.ts';
import type { RequestSource } from '../request_source.ts';
import { present } from '../store/sql_time.ts';
import { isActive } from '../users/active_users.ts';
import { findUser, lockUser, type User } from '../users/users.ts';

export interface PasswordReplacement {
  user_id: string;
  /** That the generated password was right; see `proofOf`. */
  proof: string;
  new_password: string;
  client_id: string | null;
  source: RequestSource;
}

/**
 * Sets the password that the user has chosen instead of a generated one, once: of two at once one succeeds. Returns the user, whose login
 * may be completed now. Refuses with `invalid_session` when the proof is void, with `weak_password`, which uses nothing up, and with
 * `rate_limited`.
 */
export async function replacePassword(
  { db, limits }: Pick<Deps, 'db' | 'limits'>,
  replacement: PasswordReplacement,
): Promise<User> {
  const { user_id, new_password } = replacement;
  const user = await requireReplaceable(db, await findUser(db, user_id), replacement);
  await requireStrongPassword(new_password, user);
  requireRoomToHash();
  return await withLimit(limits.passwordChange, [user_id], async () => {
    // The administrator knows the generated one.
    if (await verifyPassword(new_password, user.password_hash)) {
      const reason = 'password_not_new';
      throw new AppError('weak_password', 'Choose a password other than the one you were given.', { reason });
    }
    const password_hash = await hashPassword(new_password);
    return await db.transaction((tx) => replace(tx, replacement, password_hash));
  });
}

async function replace(
  tx: Knex.Transaction,
  replacement: PasswordReplacement,
  password_hash: string,
): Promise<User> {
  const { user_id, client_id, source } = replacement;
  const user = await requireReplaceable(tx, await lockUser(tx, user_id), replacement);
  // No session is to be ended: none has begun since the generated password was set.
  const [replaced] = await tx('users')
    .where({ id: user_id })
    .update({
      password_hash,
      password_use: null,
      updated_at: present(tx),
      token_version: user.token_version + 1,
      code_version: user.code_version + 1,
    })
    .returning('*');
  const by = { actor: 'user', actor_id: user_id } as const;
  await recordEvents(tx, [{ type: 'password_changed', user_id, client_id, ...by, ...source }]);
  await enqueueNotice(tx, { ...user, code_version: user.code_version + 1 }, 'password_changed', { source });
  return replaced as User;
}

async function requireReplaceable(
  db: Knex,
  user: User | null,
  { proof }: PasswordReplacement,
): Promise<User> {
  const isOpen = user?.password_use === 'replace' && proofOf(user) === proof && (await isActive(db, user));
  if (!isOpen) throw new AppError('invalid_session');
  return user;
}
