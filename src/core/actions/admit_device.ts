// The device or browser of a login with a password becomes known, and the user learns of one that was never seen before.
import type { Knex } from 'knex';
import { enqueueNotice, sendsNotices } from '../mail/notices.ts';
import type { RequestSource } from '../request_source.ts';
import { takePushToken } from '../sessions/push_tokens.ts';
import { hasLoggedInWith } from '../sessions/session_places.ts';
import type { DeviceParameters } from '../users/devices.ts';
import {
  hasKnownBrowser,
  isSeenBrowser,
  isSeenDevice,
  registerKnownDevice,
  rememberBrowser,
} from '../users/known_devices.ts';
import type { User } from '../users/users.ts';

/** A login whose password was right. */
export interface ProvedLogin {
  /** The row before the login, whose `last_login_at` says whether it is the first one. */
  user: User;
  /** The known device or browser that it was made on, if any. */
  known: string | null;
  source: RequestSource;
}

/**
 * {@link registerKnownDevice}, with the notice of a device that is new to the user. A push token is taken from the devices of others.
 * Known devices without one cost no statement more.
 */
export async function admitDevice(
  db: Knex,
  login: ProvedLogin,
  given: DeviceParameters,
): Promise<{ id: string; secret: string } | null> {
  const registered = await register(db, login, given);
  if (registered && given.push_token) await takePushToken(db, login.user.id, given.push_token);
  return registered;
}

async function register(
  db: Knex,
  login: ProvedLogin,
  given: DeviceParameters,
): Promise<{ id: string; secret: string } | null> {
  const { user, known, source } = login;
  const { device_id, device_name: device } = given;
  const isSeen = async () =>
    device_id === undefined
      ? await hasLoggedInWith(db, user.id, source.user_agent)
      : await isSeenDevice(db, user.id, device_id);
  if (!(await isTold(db, login)) || (await isSeen()))
    return await registerKnownDevice(db, user, given, known);
  return await db.transaction(async (tx) => {
    await enqueueNotice(tx, user, 'new_device', { source, ...(device ? { facts: { device } } : {}) });
    return await registerKnownDevice(tx, user, given, known);
  });
}

/** {@link rememberBrowser}, with the notice of a browser that is new to the user. */
export async function admitBrowser(db: Knex, login: ProvedLogin, secrets: string[]): Promise<string> {
  const { user, known, source } = login;
  if (!(await isTold(db, login)) || (await isSeenBrowser(db, user.id, secrets)))
    return await rememberBrowser(db, user, secrets, known);
  return await db.transaction(async (tx) => {
    await enqueueNotice(tx, user, 'new_device', { source });
    return await rememberBrowser(tx, user, secrets, known);
  });
}

// A known device is decided without a statement. The first login of a user is from a new device by nature; one at the account page opens no
// session, and leaves a known browser alone.
async function isTold(db: Knex, { user, known }: ProvedLogin): Promise<boolean> {
  const { id, email_verified_at, last_login_at } = user;
  if (known !== null || email_verified_at === null || !sendsNotices(db, 'new_device')) return false;
  return last_login_at !== null || (await hasKnownBrowser(db, id));
}
