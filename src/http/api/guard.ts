// Where authorization of our own API is decided: the access token of a request is verified, and the caller compared with what
// the route requires (RFC 6750, RFC 9449).
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

/** The scope that a route requires. */
const scopes: Record<Exclude<Auth, 'public'>, string> = { user: 'account', admin: 'admin' };

/**
 * Admits the callers that the route's `auth` names; the claims of their token become `ctx.state.caller`. It runs before the
 * validation: a caller without a valid token learns nothing about what the request should look like. Refuses with
 * `invalid_token` (401) or `insufficient_scope` (403), each with `WWW-Authenticate`.
 */
export function guard(deps: Deps, { auth, checksLiveness }: Route): Middleware {
  if (auth === 'public') return async (_ctx, next) => await next();
  return async (ctx, next) => {
    ctx.set('Cache-Control', 'no-store');
    const caller = await authorize(deps, ctx, auth, checksLiveness);
    ctx.state.caller = caller;
    try {
      await next();
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      const isDead = error.code === 'invalid_token' || (checksLiveness && !(await isLive(deps.db, caller)));
      throw isDead ? invalidToken(deps, ctx) : error;
    }
  };
}

// Returns the claims of the caller's token, which must be issued for this API and carry the scope of `auth`. With
// `handlerChecksLiveness` the handler checks later whether the token is live.
async function authorize(
  deps: Deps,
  ctx: Context,
  auth: Exclude<Auth, 'public'>,
  handlerChecksLiveness: boolean,
): Promise<ApiRequest['caller']> {
  const presented = readToken(ctx.get('authorization'));
  if (!presented) throw challenge(deps, ctx, new AppError('invalid_token', 'An access token is required.'));
  const { verifier, config, db } = deps;
  // Only a JWT can be verified without the database.
  const isCheckedLater = handlerChecksLiveness && isJwt(presented.token);
  const claims = await (isCheckedLater ? verifier.read(presented.token) : verifier.verify(presented.token));
  if (claims) await allowClientOrigin(deps, ctx, claims.client_id);
  else await allowOriginOfToken(deps, ctx, presented.token);
  const isOurs = claims !== null && claims.aud === config.resource;
  if (!isOurs || !(await provesPossession(deps, ctx, claims, presented))) throw invalidToken(deps, ctx);
  if (await mayCall(deps, claims, auth)) return claims as ApiRequest['caller'];
  if (isCheckedLater && !(await isLive(db, claims))) throw invalidToken(deps, ctx);
  throw challenge(deps, ctx, new AppError('insufficient_scope'), {
    error: 'insufficient_scope',
    scope: scopes[auth],
  });
}

function invalidToken(deps: Deps, ctx: Context): AppError {
  return challenge(deps, ctx, new AppError('invalid_token'), { error: 'invalid_token' });
}

// The scope is from when the token was issued; the role and the registration of the client are read now. Anyone can use the
// client_id of a public client, so a token of its own never makes an administrator.
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

// A token that is bound to a key is valid only together with a proof of that key: it may be stolen.
async function provesPossession(
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

// Sets WWW-Authenticate (RFC 6750, section 3; RFC 9728, section 5.1) and returns the error.
function challenge(
  deps: Deps,
  ctx: Context,
  error: AppError,
  parameters: { error?: string; scope?: string } = {},
): AppError {
  const scheme = /^dpop /i.test(ctx.get('authorization')) ? 'DPoP' : 'Bearer';
  const all = {
    realm: deps.config.issuer,
    resource_metadata: resourceMetadataUrl(deps.config),
    ...parameters,
  };
  const shown = Object.entries(all).flatMap(([name, value]) => (value ? [`${name}="${value}"`] : []));
  ctx.set('WWW-Authenticate', `${scheme} ${shown.join(', ')}`);
  return error;
}
