// The cookie that identifies a browser in which a user has logged in before (core/users/known_devices.ts). It does not log
// anyone in. It only keeps this browser from being locked out while wrong passwords are tried elsewhere.
import type { Context } from 'koa';
import type { Deps } from '../../core/deps.ts';
import {
  browserMemory,
  isDeviceSecret,
  maxUsersOfBrowser,
  rememberBrowser,
} from '../../core/users/known_devices.ts';
import type { User } from '../../core/users/users.ts';
import { cookieName } from './cookies.ts';

const deviceCookie = 'kindred_device';

/** The secrets in this browser's cookie, one for each user who has logged in there. */
export function readDeviceCookie({ config }: Pick<Deps, 'config'>, ctx: Context): string[] {
  const value = ctx.cookies.get(cookieName(config, deviceCookie), { signed: false }) ?? '';
  return value.split('.', maxUsersOfBrowser).filter(isDeviceSecret);
}

/**
 * Records the browser as known to the user after a login, and sets the cookie. `known` is the id under which it was known,
 * if it was.
 */
export async function setDeviceCookie(
  { db, config }: Pick<Deps, 'db' | 'config'>,
  ctx: Context,
  user: Pick<User, 'id' | 'password_hash'>,
  known: string | null,
): Promise<void> {
  const secrets = readDeviceCookie({ config }, ctx);
  const secret = await rememberBrowser(db, user, secrets, known);
  const others = secrets.filter((one) => one !== secret);
  ctx.cookies.set(
    cookieName(config, deviceCookie),
    [secret, ...others].slice(0, maxUsersOfBrowser).join('.'),
    {
      httpOnly: true,
      sameSite: 'lax',
      path: config.issuerPath || '/',
      maxAge: browserMemory * 86_400_000,
      signed: false,
    },
  );
}
