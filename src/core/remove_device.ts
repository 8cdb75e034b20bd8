// Removing a device: its sessions end, and it goes with the last of them.
import type { Knex } from 'knex';
import { findDevice } from './devices.ts';
import { beginEnding, endRest } from './end_many.ts';
import type { Ending } from './session_end.ts';
import { lockUser } from './users.ts';

/** Ends the sessions on a device of this user and removes it; false when the user has no such device. */
export async function removeDevice(
  db: Knex,
  user_id: string,
  id: string,
  by: Omit<Ending, 'reason'>,
): Promise<boolean> {
  const begun = await db.transaction(async (tx) => {
    await lockUser(tx, user_id);
    if (!(await findDevice(tx, user_id, id))) return null;
    const scope = { kind: 'device', user_id, device_id: id } as const;
    return await beginEnding(tx, scope, { ...by, reason: 'device_removed' });
  });
  if (!begun) return false;
  await endRest(db, begun);
  return true;
}
