// Removing a device: its sessions end, and the row is deleted with the last of them.
import type { Knex } from 'knex';
import { beginEnding } from '../sessions/end_many.ts';
import type { EndCause } from '../sessions/end_sessions.ts';
import { finishEnding } from '../sessions/pending_endings.ts';
import { findDevice } from '../users/device_list.ts';
import { lockUser } from '../users/users.ts';

/** Ends the sessions on a device of this user and removes it; false when the user has no such device. */
export async function removeDevice(
  db: Knex,
  user_id: string,
  id: string,
  by: Omit<EndCause, 'reason'>,
): Promise<boolean> {
  const begun = await db.transaction(async (tx) => {
    await lockUser(tx, user_id);
    if (!(await findDevice(tx, user_id, id))) return null;
    const scope = { kind: 'device', user_id, device_id: id } as const;
    return await beginEnding(tx, scope, { ...by, reason: 'device_removed' });
  });
  if (!begun) return false;
  await finishEnding(db, begun);
  return true;
}
