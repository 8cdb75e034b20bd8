// An administrator sets a user's password, or makes a link by which the user sets one: for a user who has lost it, or never had one.
import type { Knex } from 'knex';
import { AppError } from '../../lib/errors.ts';
import { parseId } from '../../lib/ids.ts';
import { takeRandom } from '../../lib/random.ts';
import type { Deps } from '../deps.ts';
import { enqueueNotice } from '../mail/notices.ts';
import { issueCode } from '../one_time_codes/one_time_codes.ts';
import { hashPassword } from '../passwords/password_hash.ts';
import { requireStrongPassword } from '../passwords/password_policy.ts';
import { clearFailures } from '../passwords/unlock.ts';
import { beginEndingAll } from '../sessions/end_many.ts';
import { type BegunEnding, finishEnding } from '../sessions/pending_endings.ts';
import { present } from '../store/sql_time.ts';
import { isActive } from '../users/active_users.ts';
import { type Initiator, lockTarget, recordEventOf } from './initiator.ts';

export interface PasswordSetting extends Initiator {
  /** Null for a generated one, which is good for one login that sets a new one. */
  password: string | null;
  reason: string | null;
}

/**
 * Sets a password. The same transaction ends all sessions of the user, makes their access tokens and one-time codes void, and queues the
 * notice. Returns how many sessions ended, and the generated password, which is shown once. Refuses with `user_not_found`,
 * `weak_password`, `not_yourself`, `right_missing` and `insufficient_user_authentication`.
 */
export async function setPassword(
  { db, limits }: Pick<Deps, 'db'> & { limits: Deps['limits'] | null },
  id: string,
  { password: given, reason, ...initiator }: PasswordSetting,
): Promise<{ sessions_ended: number; password?: string }> {
  // First without a lock: a refused caller must not make the server hash.
  const user = await db.transaction((tx) => lockTarget(tx, id, initiator));
  const password = given ?? generatePassword();
  await requireStrongPassword(password, user);
  const password_hash = await hashPassword(password);
  const set = { password_hash, password_use: given === null ? ('replace' as const) : null, reason };
  const begun = await db.transaction((tx) => decide(tx, id, set, initiator));
  const sessions_ended = await finishEnding(db, begun);
  if (limits) await clearFailures(limits, user, null);
  return { sessions_ended, ...(given === null ? { password } : {}) };
}

async function decide(
  tx: Knex.Transaction,
  id: string,
  set: { password_hash: string; password_use: 'replace' | null; reason: string | null },
  initiator: Initiator,
): Promise<BegunEnding> {
  const { reason, password_hash, password_use } = set;
  const user = await lockTarget(tx, id, initiator);
  await tx('users')
    .where({ id })
    .update({ password_hash, password_use, updated_at: present(tx) })
    .increment({ token_version: 1, code_version: 1 });
  const detail = { generated: password_use === 'replace' };
  await recordEventOf(tx, initiator, { type: 'password_set_by_admin', user_id: id, reason, detail });
  const { actor, actor_id = null, source } = initiator;
  const cause = { reason: 'password_set_by_admin', actor, actor_id, ...(source ? { source } : {}) } as const;
  const begun = await beginEndingAll(tx, id, cause);
  await enqueueNotice(tx, { ...user, code_version: user.code_version + 1 }, 'password_set_by_admin');
  return begun;
}

// Letters and digits that look alike in no font. 32 of them, so that a byte chooses one without a bias.
const alphabet = 'abcdefghijkmnpqrstuvwxyz23456789';

/** A password of 100 random bits, in four groups, to be read out or typed. */
function generatePassword(): string {
  const letters = [...takeRandom(20)].map((byte) => alphabet[byte % alphabet.length]);
  return [0, 5, 10, 15].map((at) => letters.slice(at, at + 5).join('')).join('-');
}

/**
 * Makes a link by which the user sets a new password, once and within an hour; works without mail, and tells the user by mail where it
 * can. Refuses with `user_not_found`,
 * `user_not_active` for a banned or disabled user, `not_yourself`, `right_missing` and `insufficient_user_authentication`.
 */
export async function createRecoveryLink(
  { db, keyring, config }: Pick<Deps, 'db' | 'keyring'> & { config: Pick<Deps['config'], 'issuer'> },
  id: string,
  { reason, ...initiator }: Initiator & { reason: string | null },
): Promise<{ url: string; expires_at: Date }> {
  return await db.transaction(async (tx) => {
    const user = await lockTarget(tx, id, initiator);
    if (!(await isActive(tx, user))) throw new AppError('user_not_active');
    const created_by = parseId(initiator.actor_id);
    const { token, expires_at } = await issueCode(tx, keyring, { purpose: 'recover', user, created_by });
    await recordEventOf(tx, initiator, { type: 'recovery_link_created', user_id: id, reason });
    await enqueueNotice(tx, user, 'recovery_link_created');
    return { url: `${config.issuer}/recover/${token}`, expires_at };
  });
}
