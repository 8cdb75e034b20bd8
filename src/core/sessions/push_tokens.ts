// The push tokens of devices. A device without a live session has none, because a device that was logged out must not show messages for
// the user. A session that expires is over without any statement: its device keeps the token until an ending, a login or the sweep.
import type { Knex } from 'knex';
import { type Db, isPostgres, rows } from '../store/db.ts';
import { present } from '../store/sql_time.ts';
import { isLiveSql } from './live_session.ts';
import type { Session } from './sessions.ts';

/**
 * What the end of sessions does to their devices, in the transaction that ends them: removes the push tokens of those that have no live
 * session left, and keeps when they were used last.
 */
export async function leaveDevices(
  tx: Knex.Transaction,
  ended: Pick<Session, 'id' | 'device_id'>[],
  at?: Date,
): Promise<void> {
  const on = ended.filter((session) => session.device_id !== null);
  if (on.length === 0) return;
  // Locks the devices first, in one order: of two transactions that end the last sessions of a device at the same time, the
  // later one sees that both have ended.
  const devices = await tx('devices')
    .whereIn('id', [...new Set(on.flatMap(({ device_id }) => device_id ?? []))])
    .orderBy('id')
    .forUpdate()
    .pluck<string[]>('id');
  const live = tx('sessions as s')
    .join('users as u', 'u.id', 's.user_id')
    .whereRaw(`s.device_id = devices.id and ${isLiveSql(tx, 's.', 'u.')}`, { now: present(tx, at) })
    .select(tx.raw('1'));
  const used = tx('sessions as s')
    .whereRaw('s.device_id = devices.id and s.last_used_at > devices.last_seen_at')
    .whereIn(
      's.id',
      on.map(({ id }) => id),
    )
    .max('s.last_used_at');
  await tx('devices')
    .whereIn('id', devices)
    .update({
      push_token: tx.raw('case when exists ? then push_token end', [live]),
      last_seen_at: tx.raw('coalesce(?, last_seen_at)', [used]),
    });
}

/**
 * Sets or removes the push token of a device; false when there is no such device, or no live session on it to have one. The lock on the session makes an ending
 * wait, which then removes the token.
 */
export async function setPushToken(
  tx: Knex.Transaction,
  user_id: string,
  id: string,
  push_token: string | null,
): Promise<boolean> {
  const mayHaveOne = push_token === null || (await lockLiveSession(tx, user_id, id));
  return mayHaveOne && (await tx('devices').where({ id, user_id }).update({ push_token })) > 0;
}

async function lockLiveSession(tx: Knex.Transaction, user_id: string, id: string): Promise<boolean> {
  const live = await rows<{ id: string }>(
    tx,
    `select s.id from sessions s join users u on u.id = s.user_id
     where s.user_id = :user_id and s.device_id = :id and ${isLiveSql(tx, 's.', 'u.')} limit 1 ${isPostgres(tx) ? 'for share of s' : ''}`,
    { user_id, id, now: present(tx) },
  );
  return live.length > 0;
}

/**
 * Removes a push token from the devices of all other users: a phone that changes hands, or whose app has forgotten a login without logging
 * out, shows messages to the user who has logged in last. Outside any transaction, which would hold the caller's device meanwhile.
 */
export async function takePushToken(db: Knex, user_id: string, push_token: string): Promise<void> {
  const others = await db('devices')
    .where({ push_token })
    .whereNot({ user_id })
    .orderBy('id')
    .limit(mostTaken)
    .pluck('id');
  if (others.length > 0)
    await db('devices').whereIn('id', others).where({ push_token }).update({ push_token: null });
}

/** The most devices from which one login takes its push token. Each login takes it from those before, so there is one. */
const mostTaken = 20;

/** Removes this push token from the user's devices, whatever is live there. */
export async function clearPushToken(db: Db, user_id: string, push_token: string): Promise<void> {
  await db('devices').where({ user_id, push_token }).update({ push_token: null });
}
