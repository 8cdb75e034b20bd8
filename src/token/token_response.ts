// The token response of the fast entrance, for plain sessions.
import { signAccessToken } from '../core/access_tokens/access_token_signer.ts';
import { grantableOf, oidcScopes, splitScope } from '../core/access_tokens/grantable_scopes.ts';
import { claimsOfUser } from '../core/access_tokens/user_claims.ts';
import type { Registered } from '../core/clients/client_cache.ts';
import type { Deps } from '../core/deps.ts';
import { expiresAt } from '../core/sessions/live_session.ts';
import type { Refreshed } from '../core/sessions/plain_refresh.ts';
import { mintRefreshToken } from '../core/sessions/refresh_token.ts';

/** The members of a session that its tokens are made from. */
export type PlainSession = Refreshed & { id: string; generation: number };

/**
 * The token response of a plain session (RFC 6749, 5.1), with a refresh token if the client may refresh, and with the further
 * members `more`.
 */
export function tokensOf(deps: Deps, known: Registered, session: PlainSession, more: object = {}): object {
  const { config, keys, keyring, clock } = deps;
  const { client } = known;
  const { resource } = session.token_payload as { resource: string };
  const scope = scopeOf(deps, known, session, resource);
  const now = clock.now();
  const ttl =
    known.servers.get(resource)?.access_token_ttl ?? client.access_token_ttl ?? config.accessTokenTtl;
  const claims = {
    ...claimsOfUser(session),
    iss: config.issuer,
    sub: session.user_id,
    aud: resource,
    client_id: client.client_id,
    client_version: client.token_version,
    ...(scope ? { scope } : {}),
    sid: session.id,
  };
  const refreshes = client.metadata.grant_types?.includes('refresh_token') === true;
  const ends = expiresAt({ ...session, last_used_at: new Date(now) }).getTime();
  return {
    access_token: signAccessToken(keys, claims, { now: Math.floor(now / 1000), ttl }),
    expires_in: ttl,
    ...(refreshes ? { refresh_token: mintRefreshToken(keyring, session, session.generation) } : {}),
    scope,
    token_type: 'Bearer',
    ...more,
    ...(refreshes
      ? {
          refresh_token_expires_in: Math.max(0, Math.floor((ends - now) / 1000)),
          session_id: session.id,
        }
      : {}),
  };
}

// The scopes granted at login that the client and the user may still have. Tokens for our own API are valid at userinfo too.
function scopeOf(
  deps: Deps,
  { client, servers }: Registered,
  session: PlainSession,
  resource: string,
): string {
  const { scope } = session.token_payload as { scope?: string };
  const { openid, resources } = session.grant_payload as {
    openid?: { scope?: string };
    resources?: Record<string, string>;
  };
  const asked = new Set(splitScope(scope));
  const source = { isOwn: resource === deps.config.resource, registered: servers.get(resource) ?? null };
  const possible = new Set(grantableOf(client, source, session.roles));
  const granted = splitScope(resources?.[resource]).filter((one) => asked.has(one) && possible.has(one));
  if (!source.isOwn) return granted.join(' ');
  const own = splitScope(openid?.scope).filter((one) => asked.has(one) && oidcScopes.includes(one));
  return [...own, ...granted].join(' ');
}
