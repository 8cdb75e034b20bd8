// Which resource servers and scopes a request may name (RFC 8707; RFC 6749, 3.3). The rules that need no request are in
// core/access_tokens/grantable_scopes.ts.
import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import { grantableOf, grantableOidc } from '../../core/access_tokens/grantable_scopes.ts';
import type { Deps } from '../../core/deps.ts';
import { describeRefusedScope } from '../../token/requested.ts';
import { unknownResource } from '../../token/target.ts';
import { clientRow, knownSession } from './context.ts';
import { findKnownServer } from './known_clients.ts';

/** The engine's feature of resource indicators, configured from our table. */
export function resourceIndicators(deps: Deps) {
  const { config, keys } = deps;
  return {
    enabled: true,
    /** The audience when the request names none: the client's default resource, or else the first one granted. */
    async defaultResource(ctx: KoaContextWithOIDC, client: unknown, oneOf?: readonly string[] | string) {
      const { default_resource, first_party } = clientRow(client);
      const granted = typeof oneOf === 'string' ? [oneOf] : oneOf;
      if (granted) return granted.find((one) => one === default_resource) ?? granted[0];
      if (default_resource !== null) return default_resource;
      if (first_party) return config.resource;
      // Without any resource the engine would silently drop the scopes of resource servers.
      requireKnownScopes(ctx, ctx.oidc.requestParamScopes);
      return undefined;
    },
    /** A session's tokens stay with the resource that was granted at login. */
    useGrantedResource: async () => true,
    async getResourceServerInfo(ctx: KoaContextWithOIDC, indicator: string, client: unknown) {
      const known = await findKnownServer(deps, indicator);
      if (!known && indicator !== config.resource)
        throw new errors.InvalidTarget((await unknownResource(deps, indicator)).message);
      const row = clientRow(client);
      const source = { isOwn: indicator === config.resource, registered: known };
      return {
        audience: indicator,
        scope: grantableOf(row, source, rolesOf(ctx)).join(' '),
        accessTokenFormat: known?.access_token_format ?? ('jwt' as const),
        jwt: { sign: { alg: keys.ofAccessTokens().alg } },
        accessTokenTTL: known?.access_token_ttl ?? row.access_token_ttl ?? config.accessTokenTtl,
      };
    },
  };
}

/**
 * Refuses a request for a scope that does not exist or that the client may not have, with `invalid_scope`; the engine
 * itself drops unknown scopes of resource servers silently.
 */
export function requireKnownScopes(ctx: KoaContextWithOIDC, requested: Iterable<string>): void {
  const row = clientRow(ctx.oidc.client);
  const offered = new Set(grantableOidc(row));
  for (const server of Object.values(ctx.oidc.resourceServers ?? {})) {
    for (const scope of server.scopes) offered.add(scope);
  }
  for (const scope of requested) {
    if (!offered.has(scope)) throw new errors.InvalidScope(describeRefusedScope(scope), scope);
  }
}

// Null until a user has logged in: until then only the client limits the scopes.
function rolesOf(ctx: KoaContextWithOIDC): string[] | null {
  return knownSession(ctx)?.roles ?? null;
}
