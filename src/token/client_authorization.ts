// The Authorization header of the endpoints at which clients authenticate (RFC 6749, 2.3.1), in the spellings that clients send. What
// both entrances take alike is decided here, before them.
import type { Context, Middleware } from 'koa';
import type { Deps } from '../core/deps.ts';
import { AppError } from '../lib/errors.ts';

/** The credentials that a client sent; `client_secret` is null for a public client. */
export interface Credentials {
  client_id: string;
  client_secret: string | null;
}

const paths = new Set(['/token', '/introspect', '/revoke', '/par', '/device/authorize']);

/** What the header of a request says, beside or instead of what the header keeps. */
interface Said {
  /** The client of an empty password, which counts as a client that sent its `client_id` alone. */
  namedClient?: string;
  /** The secret as it was sent, where it may be form-encoded or not. */
  rawSecret?: string;
  /** Whether there was a header: the answer to a failure then has a challenge (RFC 6749, 5.2). */
  sentAuthorization?: boolean;
  /** The name and the secret of a header that says them without any encoding but base64, as nearly all do. */
  basic?: Credentials;
}

/** What {@link readClientAuthorization} has read of a request. */
export function authorizationOf({ state }: { state: Record<string, unknown> }): Said {
  return state;
}

/**
 * Reads the header. An empty password is no authentication, so its client is taken as named and public. A secret that is not
 * form-encoded, as many libraries send it, is encoded; one that may be either is tried as both by the comparison. Another scheme than
 * Basic is refused with `invalid_client`, 401 and a challenge that names Basic.
 */
export function readClientAuthorization({ config }: Pick<Deps, 'config'>): Middleware {
  return async (ctx, next) => {
    const { authorization } = ctx.headers;
    if (!authorization || ctx.method !== 'POST' || !paths.has(ctx.path)) return await next();
    const said = authorizationOf(ctx);
    said.sentAuthorization = true;
    said.basic = readPlain(authorization);
    if (said.basic) return await next();
    const [, scheme = '', encoded = ''] = /^(\S+)(?: +(\S+))? *$/.exec(authorization) ?? [];
    if (scheme.toLowerCase() !== 'basic') {
      ctx.set('WWW-Authenticate', `Basic realm="${config.issuer}"`);
      throw new AppError(
        'invalid_client',
        'Clients authenticate here with Basic, or with parameters in the body.',
      );
    }
    if (/^[a-z\d+/]+={0,2}$/i.test(encoded))
      readCredentials(ctx, said, Buffer.from(encoded, 'base64').toString());
    await next();
  };
}

const exactHeader = /^basic ((?:[a-z0-9+/]{4})*(?:[a-z0-9+/]{2}==|[a-z0-9+/]{3}=)?)$/i;

/** A name and a secret without `%` and `+`, which would have to be decoded. */
const plainCredentials = /^([!-$&-*,-9;-~]+):([!-$&-*,-~]+)$/;

function readPlain(authorization: string): Credentials | undefined {
  const [, encoded] = exactHeader.exec(authorization) ?? [];
  if (encoded === undefined) return;
  const [, client_id, client_secret] = plainCredentials.exec(Buffer.from(encoded, 'base64').toString()) ?? [];
  return client_id && client_secret ? { client_id, client_secret } : undefined;
}

function readCredentials(ctx: Context, said: Said, credentials: string): void {
  const [, rawName = '', rawSecret = ''] = /^([^:]+):(.*)$/s.exec(credentials) ?? [];
  // The entrances refuse a text that is no name and secret.
  if (rawName === '') return;
  const [name, secret] = [formDecode(rawName), formDecode(rawSecret)];
  const { headers } = ctx.req;
  if (rawSecret === '') {
    said.namedClient = name ?? rawName;
    delete headers.authorization;
  } else if (name === null || secret === null || !/^\S+ \S+$/.test(headers.authorization ?? '')) {
    headers.authorization = `Basic ${encodeCredentials(name ?? rawName, secret ?? rawSecret)}`;
  }
  if (secret !== null && secret !== rawSecret) said.rawSecret = rawSecret;
}

/** A form-encoded value decoded; null where it is none, or where it contains what a name or a secret may not (RFC 6749, A). */
function formDecode(value: string): string | null {
  try {
    const decoded = decodeURIComponent(value.replaceAll('+', '%20'));
    return /^[\x20-\x7e]*$/.test(decoded) ? decoded : null;
  } catch {
    return null;
  }
}

function encodeCredentials(...parts: string[]): string {
  return Buffer.from(parts.map(encodeURIComponent).join(':')).toString('base64');
}
