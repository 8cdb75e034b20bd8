// The lean path of a refresh: a client with a name or a secret, a session that is bound to nothing and gets no ID token.
import type { Context, Middleware } from 'koa';
import { signAccessToken } from '../core/access_token_signer.ts';
import { decodeRefreshToken, mintRefreshToken, verifyRefreshToken } from '../core/refresh_token.ts';
import { findRefreshable, type Refreshable } from '../core/refreshable.ts';
import { advance } from '../core/rotation.ts';
import type { Services } from '../core/services.ts';
import { expiresAt } from '../core/sessions.ts';
import { claimsOfUser } from './accounts.ts';
import { allowOrigin, leanPath } from './lean.ts';
import { type Credentials, isAuthentic } from './lean_client.ts';
import { originOf } from './request.ts';
import { grantableOf, oidcScopes, words } from './resources.ts';

/** Answers refreshes that need nothing special. */
export function leanRefresh(services: Services): Middleware {
  return leanPath(services, {
    path: '/token',
    parameters: ['grant_type', 'refresh_token'],
    async answer(ctx, { grant_type, refresh_token }, credentials) {
      if (grant_type !== 'refresh_token' || !refresh_token) return null;
      return await refresh(services, ctx, credentials, refresh_token);
    },
  });
}

async function refresh(
  services: Services,
  ctx: Context,
  credentials: Credentials,
  presented: string,
): Promise<object | null> {
  const { db, keyring, limits, audit } = services;
  const token = decodeRefreshToken(presented);
  const session = token && (await findRefreshable(db, token.session_id));
  if (!session || !verifyRefreshToken(keyring, token, session)) return null;
  // A retry is rare, and reuse rarer: the engine's path knows them.
  if (token.generation !== session.generation) return null;
  const plan = mayRefresh(session, credentials) ? planAccessToken(services, session) : null;
  if (!plan || !allowOrigin(ctx, session)) return null;
  await limits.refresh.consume(session.id);
  const origin = originOf(ctx);
  const generation = await advance(db, { session_id: session.id, generation: token.generation, origin });
  if (generation === null) return null;
  audit.add({
    type: 'refresh_token_rotated',
    user_id: session.user_id,
    session_id: session.id,
    client_id: session.client_id,
    detail: { generation },
    ...origin,
  });
  return answerOf(services, session, plan, generation);
}

// What a token payload may hold without needing the engine: anything else, known or not yet, binds or enriches tokens.
const plain = new Set('gty scope resource authTime amr acr claims nonce sid'.split(' '));

function mayRefresh(session: Refreshable, credentials: Credentials): boolean {
  const { metadata } = session;
  return (
    session.client_id === credentials.client_id &&
    isAuthentic(session, credentials) &&
    // A client that is described by its own document may have to be fetched again.
    session.registered_by !== 'document' &&
    metadata.grant_types?.includes('refresh_token') === true &&
    !metadata.dpop_bound_access_tokens &&
    !metadata.tls_client_certificate_bound_access_tokens &&
    Object.keys(session.token_payload).every((name) => plain.has(name))
  );
}

interface AccessTokenPlan {
  aud: string;
  scope: string;
  /** Seconds. */
  ttl: number;
}

// What the tokens of this session are for; null when that is no JWT for one resource server, or an ID token goes along.
function planAccessToken(services: Services, session: Refreshable): AccessTokenPlan | null {
  const { config } = services;
  const { scope, resource } = session.token_payload as { scope?: string; resource?: unknown };
  const { openid, resources, ...unknown } = session.grant_payload as GrantPayload;
  const known = session.resource_server;
  if (
    typeof resource !== 'string' ||
    // A session without any scope gets an answer without that member.
    !scope ||
    Object.keys(unknown).length > 0 ||
    (known ? known.access_token_format !== 'jwt' : resource !== config.resource)
  )
    return null;
  const asked = new Set(words(scope));
  if (asked.has('openid')) return null;
  const possible = new Set(grantableOf(services, session, resource, known, session.roles));
  const granted = words(resources?.[resource]).filter((one) => asked.has(one) && possible.has(one));
  const own =
    resource === config.resource
      ? words(openid?.scope).filter((one) => asked.has(one) && oidcScopes.includes(one))
      : [];
  return {
    aud: resource,
    scope: [...own, ...granted].join(' '),
    ttl: known?.access_token_ttl ?? session.access_token_ttl ?? config.accessTokenTtl,
  };
}

interface GrantPayload {
  openid?: { scope?: string };
  resources?: Record<string, string>;
}

function answerOf(
  services: Services,
  session: Refreshable,
  plan: AccessTokenPlan,
  generation: number,
): object {
  const { config, keys, keyring } = services;
  const now = Date.now();
  const { aud, scope, ttl } = plan;
  const claims = {
    ...claimsOfUser(session),
    iss: config.issuer,
    sub: session.user_id,
    aud,
    client_id: session.client_id,
    ...(scope ? { scope } : {}),
    sid: session.id,
  };
  const ends = expiresAt({ ...session, last_used_at: new Date(now) }).getTime();
  return {
    access_token: signAccessToken(keys, claims, { now: Math.floor(now / 1000), ttl }),
    expires_in: ttl,
    refresh_token: mintRefreshToken(keyring, session, generation),
    scope,
    token_type: 'Bearer',
    refresh_token_expires_in: Math.max(0, Math.floor((ends - now) / 1000)),
    session_id: session.id,
  };
}
