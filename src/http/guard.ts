// Who is calling: the access token of a request to our own API, verified (RFC 6750, RFC 9449).
import type { Context } from 'koa';
import type { AccessTokenClaims } from '../core/access_tokens.ts';
import { findClient } from '../core/clients.ts';
import type { Services } from '../core/services.ts';
import { findUser } from '../core/users.ts';
import { certificateThumbprint, readCertificate } from '../lib/certificate.ts';
import { AppError } from '../lib/errors.ts';
import { allowOriginOfToken } from './cors.ts';
import { verifyProof } from './dpop.ts';
import { resourceMetadataUrl } from './resource_metadata.ts';
import type { Auth, Call } from './routes.ts';

const scopes: Record<Exclude<Auth, 'public'>, string> = { user: 'account', admin: 'admin' };

/**
 * The claims of the caller's token, which must be meant for this API, belong to a live session and carry the scope of
 * `auth`. Refuses with `invalid_token` (401) or `insufficient_scope` (403), each with its `WWW-Authenticate`.
 */
export async function authorize(
  services: Services,
  ctx: Context,
  auth: Exclude<Auth, 'public'>,
): Promise<Call['caller']> {
  const presented = readToken(ctx.get('authorization'));
  if (!presented)
    throw challenge(services, ctx, new AppError('invalid_token', 'an access token is required'));
  const claims = await services.verifier.verify(presented.token);
  const isOurs = claims !== null && claims.aud === services.config.resource;
  if (!isOurs || !(await isPossessed(services, ctx, claims, presented))) {
    await allowOriginOfToken(services, ctx, presented.token);
    throw challenge(services, ctx, new AppError('invalid_token'), 'invalid_token');
  }
  if (!(await mayCall(services, claims, auth))) {
    throw challenge(
      services,
      ctx,
      new AppError('insufficient_scope'),
      `insufficient_scope", scope="${scopes[auth]}`,
    );
  }
  return claims as Call['caller'];
}

// The scope is what the token was given; the role and the client's registration are what still holds. A public client is
// whoever knows its name, so that no token of its own makes an administrator.
async function mayCall(
  { db }: Services,
  claims: AccessTokenClaims,
  auth: Exclude<Auth, 'public'>,
): Promise<boolean> {
  if (!claims.scope?.split(' ').includes(scopes[auth])) return false;
  if (auth === 'user') return claims.sid !== undefined;
  const client = await findClient(db, claims.client_id);
  if (!client?.first_party || !client.scope?.split(' ').includes('admin')) return false;
  if (claims.sid) return (await findUser(db, claims.sub))?.roles.includes('admin') === true;
  return client.metadata.token_endpoint_auth_method !== 'none';
}

interface PresentedToken {
  scheme: 'bearer' | 'dpop';
  token: string;
}

function readToken(header: string): PresentedToken | null {
  const [, scheme = '', token = ''] = /^(bearer|dpop) ([\x21-\x7e]+)$/i.exec(header) ?? [];
  return token ? { scheme: scheme.toLowerCase() as PresentedToken['scheme'], token } : null;
}

// A bound token presented as a bearer token is a stolen one until the proof says otherwise.
async function isPossessed(
  services: Services,
  ctx: Context,
  claims: AccessTokenClaims,
  { scheme, token }: PresentedToken,
): Promise<boolean> {
  if (!claims.cnf) return scheme === 'bearer';
  const { jkt, 'x5t#S256': x5t } = claims.cnf;
  if (x5t) return scheme === 'bearer' && x5t === presentedThumbprint(services, ctx);
  if (!jkt || scheme !== 'dpop') return false;
  return await verifyProof(services, ctx.get('dpop'), {
    jkt,
    method: ctx.method,
    path: ctx.path,
    accessToken: token,
  });
}

function presentedThumbprint({ config }: Services, ctx: Context): string | null {
  const certificate = config.certificateHeader ? readCertificate(ctx.get(config.certificateHeader)) : null;
  return certificate && certificateThumbprint(certificate);
}

function challenge(services: Services, ctx: Context, error: AppError, code?: string): AppError {
  const scheme = /^dpop /i.test(ctx.get('authorization')) ? 'DPoP' : 'Bearer';
  ctx.set(
    'WWW-Authenticate',
    `${scheme} realm="${services.config.issuer}", resource_metadata="${resourceMetadataUrl(services.config)}"${code ? `, error="${code}"` : ''}`,
  );
  return error;
}
