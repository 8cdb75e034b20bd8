// Where authorization of our own API is decided: the access token of a request is verified, and the caller compared with what
// the route requires (RFC 6750, RFC 9449).
import type { Context, Middleware } from 'koa';
import { type AccessTokenClaims, isJwt } from '../../core/access_tokens/access_tokens.ts';
import { isLive } from '../../core/access_tokens/live_token.ts';
import { findClient } from '../../core/clients/clients.ts';
import { adminScopes } from '../../core/clients/own_scopes.ts';
import type { Deps } from '../../core/deps.ts';
import { type Authority, proofAges, requireProof } from '../../core/users/authority.ts';
import { holdsRight, rightsOf } from '../../core/users/rights.ts';
import { findUser } from '../../core/users/users.ts';
import { certificateThumbprint, readCertificate } from '../../lib/certificate.ts';
import { AppError } from '../../lib/errors.ts';
import { allowClientOrigin, allowOriginOfToken } from '../middleware/cors.ts';
import { verifyDpopProof } from './dpop.ts';
import { resourceMetadataUrl } from './resource_metadata.ts';
import type { ApiRequest, Route } from './routes.ts';

/**
 * Admits the callers that the route's `auth` and `right` name; the claims of their token become `ctx.state.caller`, what they may do as
 * administrators `ctx.state.authority`. It runs before the validation: a caller without a valid token learns nothing about what the
 * request should look like. Refuses with `invalid_token` (401), `insufficient_scope` (403) or, where a change needs a more recent login,
 * `insufficient_user_authentication` (401; RFC 9470), each with `WWW-Authenticate`.
 */
export function guard(deps: Deps, row: Route): Middleware {
  const { checksLiveness } = row;
  if (row.auth === 'public') return async (_ctx, next) => await next();
  return async (ctx, next) => {
    ctx.set('Cache-Control', 'no-store');
    const { claims: caller, authority } = await authorize(deps, ctx, row);
    Object.assign(ctx.state, { caller, authority });
    try {
      if (authority && row.method !== 'get') requireProof(authority, proofAges.change);
      await next();
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      if (error.maxAge !== undefined) throw askForProof(deps, ctx, error);
      const isDead = error.code === 'invalid_token' || (checksLiveness && !(await isLive(deps.db, caller)));
      throw isDead ? invalidToken(deps, ctx) : error;
    }
  };
}

interface Admitted {
  claims: ApiRequest['caller'];
  /** Null where the route is for users. */
  authority: Authority | null;
}

// Returns the claims of the caller's token, which must be issued for this API and carry a scope that the row requires. Where the row
// `checksLiveness`, the handler checks later whether the token is live.
async function authorize(deps: Deps, ctx: Context, row: Route): Promise<Admitted> {
  const presented = readToken(ctx.get('authorization'));
  if (!presented) throw challenge(deps, ctx, new AppError('invalid_token', 'An access token is required.'));
  const { verifier, config, db } = deps;
  // Only a JWT can be verified without the database.
  const isCheckedLater = row.checksLiveness && isJwt(presented.token);
  const claims = await (isCheckedLater ? verifier.read(presented.token) : verifier.verify(presented.token));
  if (claims) await allowClientOrigin(deps, ctx, claims.client_id);
  else await allowOriginOfToken(deps, ctx, presented.token);
  const isOurs = claims !== null && claims.aud === config.resource;
  if (!isOurs || !(await provesPossession(deps, ctx, claims, presented))) throw invalidToken(deps, ctx);
  const admitted = await admit(deps, claims, row);
  if (admitted) return admitted;
  if (isCheckedLater && !(await isLive(db, claims))) throw invalidToken(deps, ctx);
  throw challenge(deps, ctx, new AppError('insufficient_scope'), {
    error: 'insufficient_scope',
    scope: row.right === null ? 'account' : 'admin',
  });
}

// The access token stays good for everything else (RFC 9470, 3).
function askForProof(deps: Deps, ctx: Context, error: AppError): AppError {
  return challenge(deps, ctx, error, {
    error: error.code,
    error_description: error.message,
    max_age: String(error.maxAge),
  });
}

function invalidToken(deps: Deps, ctx: Context): AppError {
  return challenge(deps, ctx, new AppError('invalid_token'), { error: 'invalid_token' });
}

// Null for a caller who lacks the scope, or the right that the row names.
async function admit(deps: Deps, claims: AccessTokenClaims, row: Route): Promise<Admitted | null> {
  const caller = claims as ApiRequest['caller'];
  if (row.right === null) {
    const isUser = claims.sid !== undefined && claims.scope?.split(' ').includes('account') === true;
    return isUser ? { claims: caller, authority: null } : null;
  }
  const authority = await authorityOf(deps, claims);
  const enough = row.method === 'get' ? [row.right, 'admin:read'] : [row.right];
  if (!authority || !enough.some((right) => holdsRight(authority.rights, right))) return null;
  return { claims: caller, authority };
}

// The scope is from when the token was issued; the rights and the registration of the client are read now. Anyone can use the
// client_id of a public client, so a token of its own never makes an administrator.
async function authorityOf({ db, clock }: Deps, claims: AccessTokenClaims): Promise<Authority | null> {
  const client = await findClient(db, claims.client_id);
  if (!client?.first_party) return null;
  const scopes = adminScopes.filter((scope) =>
    [claims.scope, client.scope].every((one) => one?.split(' ').includes(scope)),
  );
  if (scopes.length === 0) return null;
  if (claims.sid === undefined) {
    const isConfidential = client.metadata.token_endpoint_auth_method !== 'none';
    return isConfidential ? { rights: scopes, tenant_id: null, proof_age: null } : null;
  }
  const user = await findUser(db, claims.sub);
  if (!user) return null;
  const held = rightsOf(user);
  const rights = scopes.includes('admin') ? held : scopes.filter((scope) => holdsRight(held, scope));
  const proof_age = clock.now() / 1000 - (claims.auth_time ?? Number.NEGATIVE_INFINITY);
  return { rights, tenant_id: user.tenant_id, proof_age };
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
  parameters: { error?: string; error_description?: string; scope?: string; max_age?: string } = {},
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
