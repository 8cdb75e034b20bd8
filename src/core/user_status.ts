// Ban, disable, delete and their undoing: each in one transaction that also ends what the user holds.

import type { Knex } from 'knex';
import { AppError } from '../lib/errors.ts';
import { type Actor, type Origin, recordEvents } from './audit.ts';
import { type Db, json, present } from './db.ts';
import { clearPushTokens } from './devices.ts';
import { deleteBrowserSessions } from './oidc_models.ts';
import { endSessions } from './session_end.ts';
import type { EndedReason, Session } from './sessions.ts';
import { forgetTraces } from './traces.ts';
import { lockUser, requireAnotherAdmin, type User, type UserStatus } from './users.ts';

export interface StatusChange {
  status: UserStatus;
  /** Which statuses it may be changed from; from any but `deleted` when absent. */
  from?: UserStatus[];
  /** For administrators and the trail. */
  reason?: string | null;
  /** For the user, who learns it with the right password or token. */
  message?: string | null;
  /** Only for a ban: when it ends by itself. */
  ban_expires_at?: Date | null;
  actor: Actor;
  actor_id?: string | null;
  origin?: Origin;
}

const endedReasons: Record<Exclude<UserStatus, 'active'>, EndedReason> = {
  banned: 'user_banned',
  disabled: 'user_disabled',
  deleted: 'user_deleted',
};

/**
 * Changes a user's status and, unless it becomes active, ends all sessions of the user. Once this has returned, nothing
 * of the user's succeeds any more: a login that was in flight either finds the new status or has its session ended here.
 * Returns the user and how many sessions ended; refuses with `user_not_found`, `wrong_status`,
 * `not_yourself` and `last_admin`.
 */
export async function changeUserStatus(
  db: Db,
  id: string,
  change: StatusChange,
): Promise<{ user: User; ended: number }> {
  return await db.transaction(async (tx) => {
    if (change.status !== 'active') await requireRemovable(tx, id, change);
    const before = await lockUser(tx, id);
    if (!before || before.status === 'deleted') throw new AppError('user_not_found');
    if (change.from && !change.from.includes(before.status)) throw new AppError('wrong_status');
    const [user] = await tx<User>('users')
      .where({ id })
      .update(newStatus(tx, change) as never)
      .returning('*');
    if (change.status === 'deleted') await forgetTraces(tx, id);
    const who = { actor: change.actor, actor_id: change.actor_id ?? null };
    await recordEvents(tx, [
      {
        type: 'user_status_changed',
        user_id: id,
        ...who,
        reason: change.reason ?? null,
        detail: { status: change.status },
        ...change.origin,
      },
    ]);
    if (change.status === 'active') return { user: user as User, ended: 0 };
    const ending = {
      reason: endedReasons[change.status],
      ...who,
      ...(change.origin ? { origin: change.origin } : {}),
    };
    await deleteBrowserSessions(tx, id);
    const ended = await endSessions(tx, { user_id: id }, ending);
    await forgetPushTokens(tx, ended);
    return { user: user as User, ended: ended.length };
  });
}

/**
 * Ends all sessions of a user on an administrator's word, and notes it in the trail even when there was none to end.
 * Returns how many ended; refuses with `user_not_found`.
 */
export async function logOutUser(
  db: Db,
  id: string,
  { reason, ...who }: { reason?: string; actor: Actor; actor_id?: string; origin?: Origin },
): Promise<number> {
  return await db.transaction(async (tx) => {
    if (!(await lockUser(tx, id))) throw new AppError('user_not_found');
    await deleteBrowserSessions(tx, id);
    const ended = await endSessions(tx, { user_id: id }, { ...who, reason: 'ended_by_admin' });
    await forgetPushTokens(tx, ended);
    const { origin, ...by } = who;
    const detail = { sessions_ended: ended.length };
    await recordEvents(tx, [
      { type: 'user_logged_out', user_id: id, ...by, reason: reason ?? null, detail, ...origin },
    ]);
    return ended.length;
  });
}

async function forgetPushTokens(tx: Knex.Transaction, ended: Session[]): Promise<void> {
  await clearPushTokens(
    tx,
    ended.map((session) => session.device_id),
  );
}

async function requireRemovable(tx: Knex.Transaction, id: string, change: StatusChange): Promise<void> {
  if (change.actor === 'admin' && change.actor_id === id) throw new AppError('not_yourself');
  await requireAnotherAdmin(tx, id);
}

// A deleted user stays as a row that other rows point to, with nothing in it that is about a person.
function newStatus(tx: Knex.Transaction, change: StatusChange): object {
  const row = {
    status: change.status,
    status_reason: change.reason ?? null,
    status_message: change.message ?? null,
    ban_expires_at: change.status === 'banned' ? (change.ban_expires_at ?? null) : null,
    updated_at: present(tx),
  };
  if (change.status !== 'deleted') return row;
  const nobody = {
    username: '',
    username_key: '',
    email: null,
    email_key: null,
    password_hash: null,
    tenant_id: null,
  };
  return { ...row, ...nobody, roles: json([]), permissions: json([]) };
}
