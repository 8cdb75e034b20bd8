// The lean path of a refresh: a client with a name or a secret, and a plain session.
import type { Context, Middleware } from 'koa';
import { signAccessToken } from '../core/access_token_signer.ts';
import type { Client } from '../core/clients.ts';
import { type Refreshed, refreshPlainSession } from '../core/plain_refresh.ts';
import { decodeRefreshToken, isMinted, mintRefreshToken } from '../core/refresh_token.ts';
import type { Registered } from '../core/registry.ts';
import type { Services } from '../core/services.ts';
import { expiresAt } from '../core/sessions.ts';
import { AppError } from '../lib/errors.ts';
import { claimsOfUser } from './accounts.ts';
import { isReadable, leanPath } from './lean.ts';
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
  const { db, keyring, config, registry, clock, audit } = services;
  const token = decodeRefreshToken(presented);
  const known = token && isMinted(keyring, token) ? await registry.look(credentials.client_id) : null;
  const client = known?.client;
  if (!token || !client || !isAuthentic(client, credentials, new Date(clock.now())) || !mayRefresh(client))
    return null;
  // Whoever has hung up hears nothing, and so must not spend a token either.
  if (!ctx.writable || !isReadable(ctx, client) || !(await isWithinLimit(services, token.session_id)))
    return null;
  const origin = originOf(ctx);
  const session = await refreshPlainSession(db, { token, known, own_resource: config.resource, origin });
  if (!session) return await leave(services, token.session_id);
  audit.add({
    type: 'refresh_token_rotated',
    user_id: session.user_id,
    session_id: token.session_id,
    client_id: client.client_id,
    detail: { generation: token.generation + 1 },
    ...origin,
  });
  return answerOf(services, known, { ...session, id: token.session_id, generation: token.generation + 1 });
}

// A client that is described by its own document may have to be fetched again; one that wants bound tokens has to
// prove something, and its requests are refused without.
function mayRefresh({ registered_by, metadata }: Client): boolean {
  return (
    registered_by !== 'document' &&
    metadata.grant_types?.includes('refresh_token') === true &&
    !metadata.dpop_bound_access_tokens &&
    !metadata.tls_client_certificate_bound_access_tokens
  );
}

// The engine's path counts again, and refuses what is too much; here the attempt is taken back, since a retry is free.
async function isWithinLimit({ limits }: Services, session_id: string): Promise<boolean> {
  try {
    await limits.refresh.consume(session_id);
    return true;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    await limits.refresh.forgive(session_id);
    return false;
  }
}

async function leave({ limits, registry }: Services, session_id: string): Promise<null> {
  registry.forget();
  await limits.refresh.forgive(session_id);
  return null;
}

type RotatedSession = Refreshed & { id: string; generation: number };

function answerOf(services: Services, known: Registered, session: RotatedSession): object {
  const { config, keys, keyring, clock } = services;
  const { client } = known;
  const { resource } = session.token_payload as { resource: string };
  const scope = scopeOf(services, known, session, resource);
  const now = clock.now();
  const ttl =
    known.servers.get(resource)?.access_token_ttl ?? client.access_token_ttl ?? config.accessTokenTtl;
  const claims = {
    ...claimsOfUser(session),
    iss: config.issuer,
    sub: session.user_id,
    aud: resource,
    client_id: client.client_id,
    ...(scope ? { scope } : {}),
    sid: session.id,
  };
  const ends = expiresAt({ ...session, last_used_at: new Date(now) }).getTime();
  return {
    access_token: signAccessToken(keys, claims, { now: Math.floor(now / 1000), ttl }),
    expires_in: ttl,
    refresh_token: mintRefreshToken(keyring, session, session.generation),
    scope,
    token_type: 'Bearer',
    refresh_token_expires_in: Math.max(0, Math.floor((ends - now) / 1000)),
    session_id: session.id,
  };
}

// What was granted at login, as far as client and user may still have it. Tokens for our own API serve userinfo, too.
function scopeOf(
  services: Services,
  { client, servers }: Registered,
  session: RotatedSession,
  resource: string,
): string {
  const { scope } = session.token_payload as { scope?: string };
  const { openid, resources } = session.grant_payload as {
    openid?: { scope?: string };
    resources?: Record<string, string>;
  };
  const asked = new Set(words(scope));
  const server = servers.get(resource) ?? null;
  const possible = new Set(grantableOf(services, client, resource, server, session.roles));
  const granted = words(resources?.[resource]).filter((one) => asked.has(one) && possible.has(one));
  if (resource !== services.config.resource) return granted.join(' ');
  const own = words(openid?.scope).filter((one) => asked.has(one) && oidcScopes.includes(one));
  return [...own, ...granted].join(' ');
}
