// The cookie that identifies a browser in which a user has logged in before (core/users/known_devices.ts). It does not log
// anyone in. It only keeps this browser from being locked out while wrong passwords are tried elsewhere.
import type { Context } from 'koa';
import { admitBrowser, type ProvedLogin } from '../../core/actions/admit_device.ts';
import type { Deps } from '../../core/deps.ts';
import { browserMemory, isDeviceSecret, maxUsersOfBrowser } from '../../core/users/known_devices.ts';
import { cookieName } from './cookies.ts';

const deviceCookie = 'kindred_device';

/** The secrets in this browser's cookie, one for each user who has logged in there. */
export function readDeviceCookie({ config }: Pick<Deps, 'config'>, ctx: Context): string[] {
  const value = ctx.cookies.get(cookieName(config, deviceCookie), { signed: false }) ?? '';
  return value.split('.', maxUsersOfBrowser).filter(isDeviceSecret);
}

/** Records the browser as known to the user after a login, tells the user of a new one, and sets the cookie. */
export async function setDeviceCookie(
  { db, config }: Pick<Deps, 'db' | 'config'>,
  ctx: Context,
  login: ProvedLogin,
): Promise<void> {
  const secrets = readDeviceCookie({ config }, ctx);
  const secret = await admitBrowser(db, login, secrets);
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
