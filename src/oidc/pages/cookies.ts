// The cookies of the pages: how they are named, signed and kept to https. The engine sets most of them by these rules.
import { createHmac, timingSafeEqual } from 'node:crypto';
import type Koa from 'koa';
import type { Context, Middleware } from 'koa';
import type { Provider } from 'oidc-provider';
import type { Config } from '../../../config/index.ts';
import type { Deps } from '../../core/deps.ts';
import type { Keyring } from '../../lib/crypto.ts';
import { takeRandom } from '../../lib/random.ts';

type Place = Pick<Config, 'issuer' | 'issuerPath'>;
type Signer = Exclude<Koa['keys'], string[] | undefined>;

/** The session cookie's name in earlier versions, and wherever the issuer is plain http. */
const unprefixedName = 'kindred_session';

/**
 * A cookie's name at this issuer. With the prefix `__Host-`, or `__Secure-` where the cookie has a path, browsers take
 * the cookie from https alone, and `__Host-` from no other host of the domain (RFC 6265bis, 4.1.3).
 */
export function cookieName({ issuer, issuerPath }: Place, name: string): string {
  if (!issuer.startsWith('https:')) return name;
  return `${issuerPath === '' ? '__Host-' : '__Secure-'}${name}`;
}

/** The name of the cookie that holds the browser session. */
export function sessionCookieName(config: Place): string {
  return cookieName(config, unprefixedName);
}

/**
 * Makes every cookie `Secure` where the issuer is https, whatever a proxy says of a request: a forgotten header would
 * otherwise let the session cookie travel in the clear.
 */
export function useSchemeOfIssuer(app: Koa, { issuer }: Pick<Config, 'issuer'>): void {
  Object.defineProperty(app.request, 'protocol', { get: () => new URL(issuer).protocol.slice(0, -1) });
}

/**
 * Signs and verifies cookies, with the first secret and with all of them. Cookies of a prefixed name are signed by
 * HMAC-SHA-256 alone. The others keep the signature of earlier versions (HMAC-SHA-1), since nodes of the previous version
 * must be able to read them; SHA-256 is accepted for them already.
 */
export function cookieSigner(keyring: Keyring): Signer {
  // As text, because earlier versions signed so.
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
 * For one release, in which nodes of the previous version may answer the same browser: what they set under the old name is
 * verified and handed on under the new one, signed anew, and what is set under the new name they find under the old one. Where
 * both are there the new one counts, unless its session is gone: then a node of the previous version has changed its id.
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
      const handedOn = `${name}=${old}; ${name}.sig=${signer.sign(`${name}=${old}`)}`;
      // The first of a name counts.
      ctx.req.headers.cookie = `${handedOn}; ${ctx.req.headers.cookie}`;
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

// The previous version set it for all paths.
function copiesUnderOldName(line: string, name: string, signer: Signer): string[] {
  if (!line.startsWith(`${name}=`)) return [];
  const [pair = '', ...attributes] = line.replace(/; path=[^;]*/, '; path=/').split('; ');
  const data = `${unprefixedName}=${pair.slice(name.length + 1)}`;
  return [data, `${unprefixedName}.sig=${signer.sign(data)}`].map((one) => [one, ...attributes].join('; '));
}

const formCookie = 'kindred_form';

/**
 * What ties a form to the browser that it was shown in before anyone was signed in there: a random value in a cookie, made
 * when the first form is shown.
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

/** The value that the browser has kept, or null. */
export function readFormSecret({ config }: Pick<Deps, 'config'>, ctx: Context): string | null {
  const value = ctx.cookies.get(cookieName(config, formCookie), { signed: false });
  return value !== undefined && /^[\w-]{22}$/.test(value) ? value : null;
}
