// Removes the push tokens of devices on which sessions end. A device without a live session has no push token, because a device
// that was logged out must not show messages for the user.
import type { Knex } from 'knex';
import { present } from '../store/sql_time.ts';
import { isLiveSql } from './live_session.ts';

/** Removes the push tokens of the devices that have no live session left, in the transaction that ends sessions on them. */
export async function clearIdlePushTokens(
  tx: Knex.Transaction,
  ids: (string | null)[],
  at?: Date,
): Promise<void> {
  const known = [...new Set(ids.filter((id) => id !== null))];
  if (known.length === 0) return;
  // Locks the devices first, in one order: of two transactions that end the last sessions of a device at the same time, the
  // later one sees that both have ended.
  const withToken = await tx('devices')
    .whereIn('id', known)
    .whereNotNull('push_token')
    .orderBy('id')
    .forUpdate()
    .select('id');
  if (withToken.length === 0) return;
  const live = tx('sessions as s')
    .join('users as u', 'u.id', 's.user_id')
    .whereRaw(`s.device_id = devices.id and ${isLiveSql(tx, 's.', 'u.')}`, { now: present(tx, at) })
    .select(tx.raw('1'));
  await tx('devices')
    .whereIn(
      'id',
      withToken.map((device) => device.id),
    )
    .whereNotExists(live)
    .update({ push_token: null });
}
