// Who is calling: the access token of a request to our own API, verified (RFC 6750, RFC 9449).
import type { Context, Middleware } from 'koa';
import { type AccessTokenClaims, isJwt } from '../../core/access_tokens/access_tokens.ts';
import { isLive } from '../../core/access_tokens/live_token.ts';
import { findClient } from '../../core/clients/clients.ts';
import type { Deps } from '../../core/deps.ts';
import { findUser } from '../../core/users/users.ts';
import { certificateThumbprint, readCertificate } from '../../lib/certificate.ts';
import { AppError } from '../../lib/errors.ts';
import { allowClientOrigin, allowOriginOfToken } from '../middleware/cors.ts';
import { verifyDpopProof } from './dpop.ts';
import { resourceMetadataUrl } from './resource_metadata.ts';
import type { ApiRequest, Auth, Route } from './routes.ts';

const scopes: Record<Exclude<Auth, 'public'>, string> = { user: 'account', admin: 'admin' };

/**
 * Lets nobody pass to a route but those whom its `auth` admits; their claims are `ctx.state.caller`. It comes first of
 * all: a caller without a good token learns nothing about what its request would have had to look like. Refuses with
 * `invalid_token` (401) or `insufficient_scope` (403), each with its `WWW-Authenticate`.
 */
export function guard(deps: Deps, { auth, checksLiveness }: Route): Middleware {
  if (auth === 'public') return async (_ctx, next) => await next();
  return async (ctx, next) => {
    ctx.set('Cache-Control', 'no-store');
    const caller = await authorize(deps, ctx, auth, checksLiveness);
    ctx.state.caller = caller;
    await allowClientOrigin(deps, ctx, caller.client_id);
    try {
      await next();
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      const isDead = error.code === 'invalid_token' || (checksLiveness && !(await isLive(deps.db, caller)));
      throw isDead ? refuseToken(deps, ctx) : error;
    }
  };
}

// The claims of the caller's token, which must be meant for this API and carry the scope of `auth`. Unless somebody else is
// going to find that out, it lives.
async function authorize(
  deps: Deps,
  ctx: Context,
  auth: Exclude<Auth, 'public'>,
  provedLater: boolean,
): Promise<ApiRequest['caller']> {
  const presented = readToken(ctx.get('authorization'));
  if (!presented) throw challenge(deps, ctx, new AppError('invalid_token', 'an access token is required'));
  const { verifier, config, db } = deps;
  const isProvedLater = provedLater && isJwt(presented.token);
  const claims = await (isProvedLater ? verifier.read(presented.token) : verifier.verify(presented.token));
  const isOurs = claims !== null && claims.aud === config.resource;
  if (!isOurs || !(await isPossessed(deps, ctx, claims, presented))) {
    await allowOriginOfToken(deps, ctx, presented.token);
    throw refuseToken(deps, ctx);
  }
  if (await mayCall(deps, claims, auth)) return claims as ApiRequest['caller'];
  if (isProvedLater && !(await isLive(db, claims))) throw refuseToken(deps, ctx);
  throw challenge(
    deps,
    ctx,
    new AppError('insufficient_scope'),
    `insufficient_scope", scope="${scopes[auth]}`,
  );
}

function refuseToken(deps: Deps, ctx: Context): AppError {
  return challenge(deps, ctx, new AppError('invalid_token'), 'invalid_token');
}

// The scope is what the token was given; the role and the client's registration are what still holds. A public client is
// whoever knows its name, so that no token of its own makes an administrator.
async function mayCall(
  { db }: Deps,
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
  deps: Deps,
  ctx: Context,
  claims: AccessTokenClaims,
  { scheme, token }: PresentedToken,
): Promise<boolean> {
  if (!claims.cnf) return scheme === 'bearer';
  const { jkt, 'x5t#S256': x5t } = claims.cnf;
  if (x5t) return scheme === 'bearer' && x5t === presentedThumbprint(deps, ctx);
  if (!jkt || scheme !== 'dpop') return false;
  return await verifyDpopProof(deps, ctx.get('dpop'), {
    jkt,
    method: ctx.method,
    path: ctx.path,
    accessToken: token,
  });
}

function presentedThumbprint({ config }: Deps, ctx: Context): string | null {
  const certificate = config.certificateHeader ? readCertificate(ctx.get(config.certificateHeader)) : null;
  return certificate && certificateThumbprint(certificate);
}

function challenge(deps: Deps, ctx: Context, error: AppError, code?: string): AppError {
  const scheme = /^dpop /i.test(ctx.get('authorization')) ? 'DPoP' : 'Bearer';
  const parts = {
    realm: deps.config.issuer,
    resource_metadata: resourceMetadataUrl(deps.config),
    error: code,
  };
  const said = Object.entries(parts).flatMap(([name, value]) => (value ? [`${name}="${value}"`] : []));
  ctx.set('WWW-Authenticate', `${scheme} ${said.join(', ')}`);
  return error;
}
