// What the login pages know of recovery: where it begins, and that a password was just set in this browser.
import type { Context } from 'koa';
import type { Deps } from '../../core/deps.ts';
import { cookieName, ensureFormSecret, readFormSecret } from './cookies.ts';
import { csrfToken, isCsrfToken } from './form.ts';
import { publicPath } from './page_response.ts';

/** Where a person who forgot the password goes, from the authorization request `request`; null where recovery is off. */
export function forgotUrl(deps: Pick<Deps, 'config'>, request: string | null = null): string | null {
  if (!deps.config.recovery) return null;
  return publicPath(deps, request === null ? '/recover' : `/recover?request=${request}`);
}

const name = 'kindred_recovered';

const subject = (secret: string) => `recovered ${secret}`;

/** Seconds until a message that was not shown expires. */
const ttl = 60;

const optionsOf = ({ config }: Pick<Deps, 'config'>) =>
  ({ httpOnly: true, sameSite: 'lax', signed: false, path: config.issuerPath || '/' }) as const;

/** Lets the next login page say that the password was changed. Bound to the browser, so that nobody else can make a page say it. */
export function setRecovered(deps: Deps, ctx: Context): void {
  const value = csrfToken(deps, subject(ensureFormSecret(deps, ctx)));
  ctx.cookies.set(cookieName(deps.config, name), value, { ...optionsOf(deps), maxAge: ttl * 1000 });
}

/** Whether this login page is to say that the password was changed; says it once. */
export function takeRecovered(deps: Deps, ctx: Context): boolean {
  const value = ctx.cookies.get(cookieName(deps.config, name), { signed: false });
  if (value === undefined) return false;
  ctx.cookies.set(cookieName(deps.config, name), null, optionsOf(deps));
  const secret = readFormSecret(deps, ctx);
  return secret !== null && isCsrfToken(deps, subject(secret), value);
}
