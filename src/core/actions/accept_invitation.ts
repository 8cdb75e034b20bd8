// What the link of an invitation does: it creates the user of its address, or gives that user the rights after a login. It gives nothing
// that the inviter does not hold any more.
import type { Knex } from 'knex';
import { AppError } from '../../lib/errors.ts';
import { networkOf } from '../../lib/network.ts';
import type { OneTimeCode } from '../one_time_codes/one_time_codes.ts';
import { findLink, type LinkState, spendCode } from '../one_time_codes/spend.ts';
import { proofOf } from '../passwords/credentials.ts';
import { hashPassword, requireRoomToHash } from '../passwords/password_hash.ts';
import { requireStrongPassword } from '../passwords/password_policy.ts';
import type { RequestSource } from '../request_source.ts';
import { beginEndingAll } from '../sessions/end_many.ts';
import { finishEnding } from '../sessions/pending_endings.ts';
import { present } from '../store/sql_time.ts';
import { isActive } from '../users/active_users.ts';
import { raiseTokenVersion, updateUser } from '../users/user_changes.ts';
import { lockUser, type User } from '../users/users.ts';
import { spendAndCreate } from './complete_sign_up.ts';
import { recordEventOf } from './initiator.ts';
import { type InvitationDeps, type InvitedRights, readInvitation } from './invitations.ts';
import { afterTaking, givableRights } from './invited_rights.ts';
import { findProvedUser } from './take_address.ts';

/** An invitation that can be accepted, as its page shows it. */
export interface OpenInvitation {
  state: 'alive';
  code: OneTimeCode;
  email: string;
  /** What it gives; nothing when the inviter does not hold it any more. */
  rights: InvitedRights;
  /** The user of the address; null when accepting creates one. One without a password sets it, any other has to log in. */
  user: User | null;
}

export type FoundInvitation = OpenInvitation | { state: Exclude<LinkState, 'alive'> };

const nothing: InvitedRights = { roles: [], permissions: [], tenant_id: null };

/** Looks an invitation up by the secret part of its link, and changes nothing. One that gives its user nothing counts as used. */
export async function findInvitation(
  { db, keyring, config }: InvitationDeps,
  token: string,
): Promise<FoundInvitation> {
  if (config.signUp === 'off') return { state: 'unknown' };
  const { state, code } = await findLink(db, 'invite', token);
  if (state !== 'alive' || code?.address == null) return { state: state === 'alive' ? 'used' : state };
  const user = await findProvedUser(db, code.address);
  if (user && !(await isActive(db, user))) return { state: 'used' };
  const { inviter, ...given } = readInvitation({ keyring }, code);
  const rights = await givableRights(db, inviter, given, user);
  if (rights === 'inviter_gone' || (rights === null && user)) return { state: 'used' };
  return { state: 'alive', code, email: code.address, rights: rights ?? nothing, user };
}

export interface Acceptance {
  token: string;
  username?: string | undefined;
  password: string;
  source: RequestSource;
}

/**
 * Accepts an invitation with a new password: creates the user, or sets the password of one who has none, and gives the rights. Opens no
 * session. Refuses with `invalid_code` (also where the address has a user with a password, who has to log in), `weak_password` and,
 * without spending the link, `username_taken`.
 */
export async function acceptInvitation(deps: InvitationDeps, acceptance: Acceptance): Promise<void> {
  const { token, username, password, source } = acceptance;
  await deps.limits.anonymousRecords.consume(networkOf(source.ip));
  const found = await findInvitation(deps, token);
  if (found.state !== 'alive' || found.user?.password_hash) throw new AppError('invalid_code');
  await requireStrongPassword(password, found.user ?? { email: found.email, username: username ?? null });
  requireRoomToHash();
  const password_hash = await hashPassword(password);
  const { user } = found;
  if (user) return await setFirstPassword(deps, token, { id: user.id, password_hash, source });
  try {
    await deps.db.transaction((tx) =>
      createInvited(tx, deps, token, { username: username ?? null, password_hash, source }),
    );
  } catch (error) {
    // The address has got a user meanwhile: the link then leads to that user's login.
    if (error instanceof AppError && error.code === 'email_taken') throw new AppError('invalid_code');
    throw error;
  }
}

/** A user who has logged in in order to take up an invitation; `proof` as of `proofOf`. */
export interface TakingUp {
  token: string;
  user_id: string;
  proof: string;
  source: RequestSource;
}

/** Gives the rights of an invitation to the user of its address, who has just logged in. Refuses with `invalid_code`. */
export async function takeUpInvitation(
  deps: InvitationDeps,
  { token, user_id, proof, source }: TakingUp,
): Promise<void> {
  await deps.db.transaction(async (tx) => {
    const { found, user } = await lockInvited(tx, deps, token, user_id);
    if (proofOf(user) !== proof) throw new AppError('invalid_code');
    await accept(tx, found, user, source);
  });
}

async function createInvited(
  tx: Knex.Transaction,
  deps: InvitationDeps,
  token: string,
  { source, ...given }: { username: string | null; password_hash: string; source: RequestSource },
): Promise<void> {
  // Read again: what the inviter holds, and whether the address has a user, may have changed while the password was hashed.
  const found = await findInvitation({ ...deps, db: tx }, token);
  if (found.state !== 'alive' || found.user) throw new AppError('invalid_code');
  const { code, email, rights } = found;
  const user = await spendAndCreate(tx, code, { ...given, ...rights, email });
  const initiator = { actor: 'user', actor_id: user.id, source } as const;
  await recordEventOf(tx, initiator, { type: 'user_signed_up', user_id: user.id });
  await recordAcceptance(tx, code, user, rights, source);
}

async function setFirstPassword(
  deps: InvitationDeps,
  token: string,
  { id, password_hash, source }: { id: string; password_hash: string; source: RequestSource },
): Promise<void> {
  const by = { actor: 'user', actor_id: id, source } as const;
  const begun = await deps.db.transaction(async (tx) => {
    const { found, user } = await lockInvited(tx, deps, token, id);
    if (user.password_hash !== null) throw new AppError('invalid_code');
    await accept(tx, found, user, source);
    await tx('users')
      .where({ id })
      .update({ password_hash, password_use: null, updated_at: present(tx) })
      .increment({ code_version: 1 });
    await recordEventOf(tx, by, { type: 'password_changed', user_id: id });
    return await beginEndingAll(tx, id, { ...by, reason: 'password_changed' });
  });
  await finishEnding(deps.db, begun);
}

// The user of the invitation's address, locked, and the invitation as it is then.
async function lockInvited(
  tx: Knex.Transaction,
  deps: InvitationDeps,
  token: string,
  id: string,
): Promise<{ found: OpenInvitation; user: User }> {
  const user = await lockUser(tx, id);
  const found = await findInvitation({ ...deps, db: tx }, token);
  if (!user || found.state !== 'alive' || found.user?.id !== id) throw new AppError('invalid_code');
  return { found, user };
}

async function accept(
  tx: Knex.Transaction,
  { code, rights }: OpenInvitation,
  user: User,
  source: RequestSource,
): Promise<void> {
  if (!(await spendCode(tx, code))) throw new AppError('invalid_code');
  await updateUser(tx, user.id, afterTaking(user, rights));
  // Access tokens carry the rights, and must not outlive the change with the old ones.
  await raiseTokenVersion(tx, user.id);
  await recordAcceptance(tx, code, user, rights, source);
}

async function recordAcceptance(
  tx: Knex.Transaction,
  { id }: OneTimeCode,
  user: User,
  { roles, permissions, tenant_id }: InvitedRights,
  source: RequestSource,
): Promise<void> {
  const detail = { invitation_id: id, roles, permissions, tenant_id };
  const initiator = { actor: 'user', actor_id: user.id, source } as const;
  await recordEventOf(tx, initiator, { type: 'invitation_accepted', user_id: user.id, detail });
}
