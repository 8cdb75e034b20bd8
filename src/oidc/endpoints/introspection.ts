// Introspection (RFC 7662) and revocation (RFC 7009) of our JWTs, which the engine authenticates the caller for and
// then declines; and the rule that says who may ask about which token.

import type { Middleware } from 'koa';
import type { KoaContextWithOIDC } from 'oidc-provider';
import { describeClaims, isMeantFor } from '../../core/access_tokens/introspection.ts';
import { isLive } from '../../core/access_tokens/live_token.ts';
import { revokeAccessToken } from '../../core/access_tokens/revoked_tokens.ts';
import type { Deps } from '../../core/deps.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import { fromEngine } from '../request/clocks.ts';
import { clientRow } from '../request/context.ts';

interface Token {
  kind?: string;
  clientId?: string;
  aud?: string | string[];
  jti: string;
  iat?: number;
  extra?: { client_version?: number };
  accountId?: string;
}

/** Whether `client` may learn about an opaque access token or a refresh token; the engine asks for active ones. */
export async function mayIntrospect(deps: Deps, client: unknown, token: object): Promise<boolean> {
  const { kind, clientId = '', aud, jti, iat: engineIat = 0, extra } = token as Token;
  const iat = fromEngine(deps.clock, engineIat);
  if (kind === 'RefreshToken') return clientId === clientRow(client).client_id;
  if (!isMeantFor(clientRow(client), { client_id: clientId, ...(typeof aud === 'string' ? { aud } : {}) }))
    return false;
  // Tokens of a session were checked when they were found; one of client_credentials lives as long as its client.
  if (kind !== 'ClientCredentials') return true;
  return await isLive(deps.db, {
    ...extra,
    iss: '',
    sub: clientId,
    exp: 0,
    iat,
    jti,
    client_id: clientId,
  });
}

/** Only the client that a token was issued to may revoke it; anyone else's request has no effect. */
export function mayRevoke(client: unknown, token: object): boolean {
  return (token as Token).clientId === clientRow(client).client_id;
}

/** The post-middleware that gives introspection and revocation their last word. */
export function answerForJwts(deps: Deps): Middleware {
  return async (ctx, next) => {
    await next();
    const route = (ctx as KoaContextWithOIDC).oidc?.route;
    if (route === 'introspection') await introspect(deps, ctx as KoaContextWithOIDC);
    if (route === 'revocation') await revoke(deps, ctx as KoaContextWithOIDC);
  };
}

async function introspect(deps: Deps, ctx: KoaContextWithOIDC): Promise<void> {
  const { client, entities } = ctx.oidc;
  if (client?.clientAuthMethod === 'none') return refusePublicClient(ctx);
  if (isDeclined(ctx)) {
    ctx.status = 200;
    ctx.body = await describeJwt(deps, ctx);
    await signAnswer(ctx);
  } else if (entities.RefreshToken && isActive(ctx)) {
    ctx.body = { ...(ctx.body as object), token_type: 'refresh_token' };
  } else if (isActive(ctx)) {
    correctAnswer(deps, ctx);
  }
}

// The engine describes its opaque tokens by its own clock.
function correctAnswer({ clock }: Deps, ctx: KoaContextWithOIDC): void {
  const { client_version: _ours, ...response } = ctx.body as {
    client_version?: number;
    iat: number;
    exp: number;
  };
  ctx.body = { ...response, iat: fromEngine(clock, response.iat), exp: fromEngine(clock, response.exp) };
}

const signedType = 'application/token-introspection+jwt';

// RFC 9701: signed for a caller that asks for it; the engine does the same for the tokens that it describes itself.
async function signAnswer(ctx: KoaContextWithOIDC): Promise<void> {
  const { client, provider } = ctx.oidc;
  if (!client || ctx.get('accept') !== signedType) return;
  const token = new provider.IdToken({}, { ctx });
  Object.assign(token, { extra: { token_introspection: ctx.body, aud: client.clientId } });
  ctx.body = await token.issue({ use: 'introspection' });
  ctx.type = `${signedType}; charset=utf-8`;
}

async function describeJwt(deps: Deps, ctx: KoaContextWithOIDC): Promise<object> {
  const claims = await deps.verifier.read(String(ctx.oidc.params?.token));
  if (!claims || !isMeantFor(clientRow(ctx.oidc.client), claims) || !(await isLive(deps.db, claims)))
    return { active: false };
  return describeClaims(claims);
}

async function revoke(deps: Deps, ctx: KoaContextWithOIDC): Promise<void> {
  if (isDeclined(ctx)) {
    const claims = await deps.verifier.read(String(ctx.oidc.params?.token));
    if (claims && mayRevoke(ctx.oidc.client, { clientId: claims.client_id })) {
      await revokeAccessToken(deps.db, claims);
      recordRevocation(deps, ctx, claims.sid === undefined ? {} : { sub: claims.sub, sid: claims.sid });
    }
    ctx.status = 200;
  } else {
    const { AccessToken, ClientCredentials } = ctx.oidc.entities;
    const token = AccessToken ?? ClientCredentials;
    if (token && mayRevoke(ctx.oidc.client, token)) {
      recordRevocation(deps, ctx, { sub: AccessToken?.accountId, sid: AccessToken?.grantId });
    }
  }
  // Client libraries parse the body as JSON.
  if (ctx.status === 200) ctx.body = {};
}

// A revoked refresh token is no event of its own: its session has ended.
function recordRevocation(
  { audit }: Deps,
  ctx: KoaContextWithOIDC,
  { sub, sid }: { sub?: string | undefined; sid?: string | undefined },
): void {
  const { client_id } = clientRow(ctx.oidc.client);
  audit.add({
    type: 'access_token_revoked',
    user_id: sub ?? null,
    session_id: sid ?? null,
    client_id,
    actor: 'client',
    actor_id: client_id,
    ...requestSourceOf(ctx),
  });
}

// Section 2.1 of RFC 7662 wants the caller authenticated; knowing a client_id is not that.
function refusePublicClient(ctx: KoaContextWithOIDC): void {
  ctx.status = 401;
  ctx.body = { error: 'invalid_client', error_description: 'Public clients may not introspect tokens.' };
}

function isDeclined(ctx: KoaContextWithOIDC): boolean {
  return (ctx.body as { error?: string } | undefined)?.error === 'unsupported_token_type';
}

function isActive(ctx: KoaContextWithOIDC): boolean {
  return (ctx.body as { active?: boolean } | undefined)?.active === true;
}
