// The cookies of the pages: their names, their signatures, their restriction to https, and the secret that protects forms
// before a login. The engine sets most of them by these rules.
import { createHmac, timingSafeEqual } from 'node:crypto';
import type Koa from 'koa';
import type { Context, Middleware } from 'koa';
import type { Provider } from 'oidc-provider';
import type { Config } from '../../../config/index.ts';
import type { Deps } from '../../core/deps.ts';
import type { Keyring } from '../../lib/crypto.ts';
import { takeRandom } from '../../lib/random.ts';

type Issuer = Pick<Config, 'issuer' | 'issuerPath'>;
type Signer = Exclude<Koa['keys'], string[] | undefined>;

/** The session cookie's name in earlier versions, and where the issuer is plain http. */
const unprefixedName = 'kindred_session';

/**
 * A cookie's name at this issuer. Browsers accept a cookie with the prefix `__Host-`, or `__Secure-` where the cookie has
 * a path, only from https; and one with `__Host-` from no other host of the domain (RFC 6265bis, 4.1.3).
 */
export function cookieName({ issuer, issuerPath }: Issuer, name: string): string {
  if (!issuer.startsWith('https:')) return name;
  return `${issuerPath === '' ? '__Host-' : '__Secure-'}${name}`;
}

/** The name of the cookie that holds the browser session. */
export function sessionCookieName(config: Issuer): string {
  return cookieName(config, unprefixedName);
}

/**
 * Makes every cookie `Secure` where the issuer is https, independent of the proxy's headers: a missing X-Forwarded-Proto
 * would otherwise let the session cookie be sent over plain http.
 */
export function secureCookiesByIssuer(app: Koa, { issuer }: Pick<Config, 'issuer'>): void {
  Object.defineProperty(app.request, 'protocol', { get: () => new URL(issuer).protocol.slice(0, -1) });
}

/**
 * Signs cookies with the first secret and verifies them with any of the secrets. Cookies with a prefixed name are signed
 * with HMAC-SHA-256. The others keep the signature of earlier versions (HMAC-SHA-1), because nodes of the previous version
 * must be able to read them; a SHA-256 signature is accepted for them already.
 */
export function cookieSigner(keyring: Keyring): Signer {
  // Base64url text, because earlier versions used the text as the key.
  const keys = keyring.all.map((key) => key.keyFor('cookies').export().toString('base64url'));
  const sign = (algorithm: string, key: string, data: string) =>
    createHmac(algorithm, key).update(data).digest('base64url');
  const index = (data: string, signature: string) =>
    keys.findIndex((key) =>
      (isPrefixed(data) ? ['sha256'] : ['sha1', 'sha256']).some((algorithm) =>
        isSame(sign(algorithm, key, data), signature),
      ),
    );
  return {
    sign: (data: string) => sign(isPrefixed(data) ? 'sha256' : 'sha1', keys[0] ?? '', data),
    verify: (data: string, signature: string) => index(data, signature) >= 0,
    index,
  };
}

function isPrefixed(data: string): boolean {
  return data.startsWith('__Host-') || data.startsWith('__Secure-');
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/**
 * Keeps the session cookie under its old and its new name in step, for one release, in which nodes of the previous version
 * may serve the same browser. A cookie of the old name is verified and passed on under the new name with a new signature;
 * a cookie that is set under the new name is also set under the old one. If the browser sends both, the new one wins,
 * unless its session does not exist: then a node of the previous version has changed the session id.
 */
export function migrateSessionCookie(
  { config, keyring }: Pick<Deps, 'config' | 'keyring'>,
  provider: () => Provider,
): Middleware {
  const name = sessionCookieName(config);
  const signer = cookieSigner(keyring);
  if (name === unprefixedName) return async (_ctx, next) => await next();
  return async (ctx, next) => {
    const old = ctx.cookies.get(unprefixedName, { signed: true });
    if (old !== undefined && (await isOldCookieNewer(provider(), ctx, name, old))) {
      const renamed = `${name}=${old}; ${name}.sig=${signer.sign(`${name}=${old}`)}`;
      // Of several cookies with one name, the first is used.
      ctx.req.headers.cookie = `${renamed}; ${ctx.req.headers.cookie}`;
    }
    await next();
    const lines = [ctx.res.getHeader('set-cookie') ?? []].flat().map(String);
    const copies = lines.flatMap((line) => copiesUnderOldName(line, name, signer));
    if (copies.length > 0) ctx.res.setHeader('set-cookie', [...lines, ...copies]);
  };
}

async function isOldCookieNewer(
  provider: Provider,
  ctx: Context,
  name: string,
  old: string,
): Promise<boolean> {
  const current = ctx.cookies.get(name, { signed: true });
  return current === undefined || (current !== old && (await provider.Session.find(current)) === undefined);
}

// The previous version set the cookie for the path `/`.
function copiesUnderOldName(line: string, name: string, signer: Signer): string[] {
  if (!line.startsWith(`${name}=`)) return [];
  const [pair = '', ...attributes] = line.replace(/; path=[^;]*/, '; path=/').split('; ');
  const data = `${unprefixedName}=${pair.slice(name.length + 1)}`;
  return [data, `${unprefixedName}.sig=${signer.sign(data)}`].map((one) => [one, ...attributes].join('; '));
}

const formCookie = 'kindred_form';

/**
 * The secret that binds a form to a browser before a user has signed in: a random value in a cookie, created with the
 * first form.
 */
export function ensureFormSecret({ config }: Pick<Deps, 'config'>, ctx: Context): string {
  const known = readFormSecret({ config }, ctx);
  if (known) return known;
  const secret = takeRandom(16).toString('base64url');
  ctx.cookies.set(cookieName(config, formCookie), secret, {
    httpOnly: true,
    sameSite: 'lax',
    path: config.issuerPath || '/',
    signed: false,
  });
  return secret;
}

/** The secret in this browser's cookie, or null. */
export function readFormSecret({ config }: Pick<Deps, 'config'>, ctx: Context): string | null {
  const value = ctx.cookies.get(cookieName(config, formCookie), { signed: false });
  return value !== undefined && /^[\w-]{22}$/.test(value) ? value : null;
}
