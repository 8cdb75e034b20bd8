// Changing a device: its name, and where push messages for the user go.
import type { Knex } from 'knex';
import { AppError } from '../../lib/errors.ts';
import { setPushToken, takePushToken } from '../sessions/push_tokens.ts';
import { findDevice } from '../users/device_list.ts';
import { type Device, renameDevice } from '../users/devices.ts';

/**
 * Changes a device of this user. Refuses with `device_not_found`, and with `device_signed_out` where a push token is given and no session is
 * live on the device. A push token is taken from the devices of others.
 */
export async function changeDevice(
  db: Knex,
  user_id: string,
  id: string,
  { name, push_token }: { name?: string | undefined; push_token?: string | null | undefined },
): Promise<Device> {
  const changed = await db.transaction(async (tx) => {
    // The session is locked before the device.
    const isSet = push_token === undefined || (await setPushToken(tx, user_id, id, push_token));
    if (name !== undefined) await renameDevice(tx, user_id, id, name);
    const device = await findDevice(tx, user_id, id);
    if (!device) throw new AppError('device_not_found');
    if (!isSet) throw new AppError('device_signed_out');
    return device;
  });
  if (push_token) await takePushToken(db, user_id, push_token);
  return changed;
}
