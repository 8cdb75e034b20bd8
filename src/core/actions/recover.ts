// Setting a new password by a code or link from a mail: everything that the old password opened ends with it.
import type { Knex } from 'knex';
import { AppError } from '../../lib/errors.ts';
import { networkOf } from '../../lib/network.ts';
import { recordEvents } from '../audit/audit.ts';
import type { Deps } from '../deps.ts';
import { enqueueNotice } from '../mail/notices.ts';
import { guessCode } from '../one_time_codes/guesses.ts';
import type { OneTimeCode } from '../one_time_codes/one_time_codes.ts';
import { findLink, type LinkState, spendCode } from '../one_time_codes/spend.ts';
import { hashPassword, requireRoomToHash } from '../passwords/password_hash.ts';
import { requireStrongPassword } from '../passwords/password_policy.ts';
import { clearFailures } from '../passwords/unlock.ts';
import type { RequestSource } from '../request_source.ts';
import { beginEndingAll } from '../sessions/end_many.ts';
import { type BegunEnding, finishEnding } from '../sessions/pending_endings.ts';
import { present } from '../store/sql_time.ts';
import { isActive } from '../users/active_users.ts';
import { findUser, lockUser, type User } from '../users/users.ts';

/** What was mailed: the code, with the handle of the request that asked for it, or the secret part of the link. */
export type RecoveryProof = { recovery_id: string; code: string } | { token: string };

export interface Recovery {
  proof: RecoveryProof;
  new_password: string;
  source: RequestSource;
}

type RecoverDeps = Pick<Deps, 'db' | 'keyring' | 'limits' | 'audit'>;

/** A code that is good, and whose it is. Nothing is spent. */
export interface RecoverableAccount {
  code: OneTimeCode;
  user: User;
}

/**
 * Finds whose new password a code or link may set, and spends nothing. Refuses with `invalid_code`, one answer for a wrong, used or
 * expired one and for an unknown request, and with `rate_limited` when the network has sent too many wrong codes. A wrong code counts.
 */
export async function findRecovery(
  { db, keyring, limits, audit }: RecoverDeps,
  proof: RecoveryProof,
  source: RequestSource,
): Promise<RecoverableAccount> {
  const network = networkOf(source.ip);
  if ('token' in proof) return await requireUser(db, await findByLink(db, proof.token));
  await limits.codeAddress.check(network);
  const { recovery_id: request } = proof;
  // As people copy it: with a blank or a dash in the middle.
  const code = proof.code.replaceAll(/[\s-]/g, '');
  const found = await guessCode(db, keyring, { purpose: 'recover', request, code });
  if (!found) {
    await limits.codeAddress.count(network);
    audit.add({ type: 'recovery_failed', user_id: null, client_id: null, reason: 'invalid_code', ...source });
  }
  return await requireUser(db, found);
}

async function findByLink(db: Knex, token: string): Promise<OneTimeCode | null> {
  const { state, code } = await findLink(db, 'recover', token);
  return state === 'alive' ? code : null;
}

/** The state of a link, and whose new password it may set while it is alive. */
export async function findRecoveryLink(
  db: Knex,
  token: string,
): Promise<{ state: LinkState; user: User | null }> {
  const { state, code } = await findLink(db, 'recover', token);
  const user = state === 'alive' && code?.user_id ? await findUser(db, code.user_id) : null;
  if (!user) return { state: state === 'alive' ? 'used' : state, user: null };
  return (await isActive(db, user)) ? { state, user } : { state: 'used', user: null };
}

async function requireUser(db: Knex, code: OneTimeCode | null): Promise<RecoverableAccount> {
  const user = code?.user_id ? await findUser(db, code.user_id) : null;
  if (!code || !user || !(await isActive(db, user))) throw new AppError('invalid_code');
  return { code, user };
}

/**
 * Sets a new password. The same transaction spends the code, ends every session and login of the user, makes every access token and
 * every other code void, and queues the notice. Factors stay. Refuses like {@link findRecovery}, and with `weak_password`, which spends
 * nothing. Of two at once with one code one succeeds.
 */
export async function completeRecovery(deps: RecoverDeps, recovery: Recovery): Promise<RecoverableAccount> {
  const { db, limits } = deps;
  const { proof, new_password, source } = recovery;
  const { code, user } = await findRecovery(deps, proof, source);
  await requireStrongPassword(new_password, user);
  requireRoomToHash();
  const password_hash = await hashPassword(new_password);
  const begun = await db.transaction((tx) => setPassword(tx, { code, password_hash, source }));
  await finishEnding(db, begun);
  await clearFailures(limits, user, source.ip);
  return { code, user };
}

// Locks the user before the code, as every transaction does that spends one.
async function setPassword(
  tx: Knex.Transaction,
  { code, password_hash, source }: { code: OneTimeCode; password_hash: string; source: RequestSource },
): Promise<BegunEnding> {
  const user_id = code.user_id ?? '';
  const user = await lockUser(tx, user_id);
  if (!user || !(await isActive(tx, user)) || !(await spendCode(tx, code)))
    throw new AppError('invalid_code');
  await tx('users')
    .where({ id: user_id })
    .update({ password_hash, password_use: null, updated_at: present(tx) })
    .increment({ token_version: 1, code_version: 1 });
  const by = { actor: 'user', actor_id: user_id } as const;
  await recordEvents(tx, [{ type: 'user_recovered', user_id, client_id: null, ...by, ...source }]);
  const begun = await beginEndingAll(tx, user_id, { ...by, reason: 'recovered', source });
  await enqueueNotice(tx, { ...user, code_version: user.code_version + 1 }, 'recovered', { source });
  return begun;
}
