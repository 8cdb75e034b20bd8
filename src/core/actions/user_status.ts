// Ban, unban, disable, enable and delete a user: one transaction that also begins to end all sessions of the user.
import type { Knex } from 'knex';
import { AppError } from '../../lib/errors.ts';
import { recordEvents } from '../audit/audit.ts';
import { beginEndingAll } from '../sessions/end_many.ts';
import { type BegunEnding, finishEnding } from '../sessions/pending_endings.ts';
import type { EndedReason } from '../sessions/sessions.ts';
import { json, type Writable } from '../store/columns.ts';
import { present } from '../store/sql_time.ts';
import { requireAnotherAdmin } from '../users/administrators.ts';
import { requireAuthorityOver } from '../users/authority.ts';
import { lockUser, type User, type UserStatus } from '../users/users.ts';
import type { Initiator } from './initiator.ts';

export interface StatusChange extends Initiator {
  status: UserStatus;
  /** The statuses from which the change is allowed; absent, any but `deleted`. */
  from?: UserStatus[];
  /** For administrators and the audit trail. */
  reason?: string | null;
  /** For the user, shown to a caller with the right password or token. */
  message?: string | null;
  /** Only for a ban: when it ends by itself. */
  ban_expires_at?: Date | null;
}

const endedReasons: Record<Exclude<UserStatus, 'active'>, EndedReason> = {
  banned: 'user_banned',
  disabled: 'user_disabled',
  deleted: 'user_deleted',
};

/**
 * Changes a user's status and, unless it becomes active, ends all sessions of the user. Once this has returned, no request
 * of the user succeeds: a login that was in flight either finds the new status or has its session ended here. Returns the
 * user and how many sessions ended; refuses with `user_not_found`, `wrong_status`, `not_yourself`, `last_admin`, `right_missing` and
 * `insufficient_user_authentication`.
 */
export async function changeUserStatus(
  db: Knex,
  id: string,
  change: StatusChange,
): Promise<{ user: User; ended: number }> {
  const { user, begun } = await db.transaction((tx) => decideStatus(tx, id, change));
  return { user, ended: begun ? await finishEnding(db, begun) : 0 };
}

async function decideStatus(
  tx: Knex.Transaction,
  id: string,
  change: StatusChange,
): Promise<{ user: User; begun: BegunEnding | null }> {
  if (change.status !== 'active') await requireRemovable(tx, id, change);
  const before = await lockUser(tx, id);
  if (!before || before.status === 'deleted') throw new AppError('user_not_found');
  requireAuthorityOver(change.authority, before);
  if (change.from && !change.from.includes(before.status)) throw new AppError('wrong_status');
  return await writeStatus(tx, before, change);
}

/** Writes the status of a user whose row the caller has locked, records the event, and begins to end what ends with it. */
export async function writeStatus(
  tx: Knex.Transaction,
  { id }: Pick<User, 'id'>,
  change: StatusChange,
): Promise<{ user: User; begun: BegunEnding | null }> {
  const [user] = await tx('users').where({ id }).update(newStatus(tx, change)).returning('*');
  const { status, reason = null, actor, actor_id = null, source } = change;
  await recordEvents(tx, [
    { type: 'user_status_changed', user_id: id, actor, actor_id, reason, detail: { status }, ...source },
  ]);
  if (status === 'active') return { user: user as User, begun: null };
  const ending = { reason: endedReasons[status], actor, actor_id, ...(source ? { source } : {}) };
  const begun = await beginEndingAll(tx, id, ending, { forgets: status === 'deleted' });
  // Read again: ending the sessions has raised the user's `session_epoch`.
  return { user: (await lockUser(tx, id)) ?? (user as User), begun };
}

async function requireRemovable(tx: Knex.Transaction, id: string, change: StatusChange): Promise<void> {
  if (change.actor === 'admin' && change.actor_id === id) throw new AppError('not_yourself');
  await requireAnotherAdmin(tx, id);
}

// The row of a deleted user stays, because other rows reference it, but without personal data.
function newStatus(tx: Knex.Transaction, change: StatusChange): Writable<User> {
  const row = {
    status: change.status,
    status_reason: change.reason ?? null,
    status_message: change.message ?? null,
    ban_expires_at: change.status === 'banned' ? (change.ban_expires_at ?? null) : null,
    updated_at: present(tx),
    code_version: tx.raw('code_version + 1'),
  };
  if (change.status !== 'deleted') return row;
  const erased = {
    username: '',
    username_key: '',
    email: null,
    email_key: null,
    email_verified_at: null,
    claims: null,
    password_use: null,
    password_hash: null,
    tenant_id: null,
  };
  return { ...row, ...erased, roles: json([]), permissions: json([]) };
}
