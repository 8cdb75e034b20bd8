// The cookie by which a browser that has logged in before is known (core/users/known_devices.ts). It logs nobody in: strangers
// who guess passwords elsewhere cannot lock this browser out, and that is all.
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

/** The secrets that this browser was given, one for each user who logged in there. */
export function readDeviceCookie({ config }: Pick<Deps, 'config'>, ctx: Context): string[] {
  const value = ctx.cookies.get(cookieName(config, deviceCookie), { signed: false }) ?? '';
  return value.split('.', maxUsersOfBrowser).filter(isDeviceSecret);
}

/** Remembers the browser after a login, and has it remember that. `known` is what it was known by, if it was. */
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
