// Which resource servers and scopes a request may name (RFC 8707; RFC 6749, 3.3). The rules that need no request are in
// core/access_tokens/grantable_scopes.ts.
import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import {
  defaultScopes,
  grantableOf,
  grantableOidc,
  oidcScopes,
  ownScopes,
} from '../../core/access_tokens/grantable_scopes.ts';
import type { Deps } from '../../core/deps.ts';
import { quote } from '../../lib/quote.ts';
import { unknownResource } from '../../token/target.ts';
import { clientRow, knownSession } from './context.ts';
import { findKnownServer } from './known_clients.ts';

/** The engine's feature of resource indicators, configured from our table. */
export function resourceIndicators(deps: Deps) {
  const { config } = deps;
  return {
    enabled: true,
    /** The audience when the request names none: the client's default resource, or else the first one granted. */
    async defaultResource(ctx: KoaContextWithOIDC, client: unknown, oneOf?: readonly string[] | string) {
      const { default_resource, first_party } = clientRow(client);
      const granted = typeof oneOf === 'string' ? [oneOf] : oneOf;
      if (granted) return granted.find((one) => one === default_resource) ?? granted[0];
      if (default_resource !== null) return default_resource;
      if (first_party || actsForItself(ctx)) return config.resource;
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
        scope: (actsForItself(ctx) && row.scope === null ? [] : grantableOf(row, source, rolesOf(ctx))).join(
          ' ',
        ),
        accessTokenFormat: known?.access_token_format ?? ('jwt' as const),
        accessTokenTTL: known?.access_token_ttl ?? row.access_token_ttl ?? config.accessTokenTtl,
      };
    },
  };
}

// Whether the client acts for itself: no user decides, so only scopes that are registered for the client may be granted.
function actsForItself(ctx: KoaContextWithOIDC): boolean {
  return ctx.oidc.params?.grant_type === 'client_credentials';
}

/**
 * Refuses a request for a scope that does not exist or that the client may not have, with `invalid_scope`; the engine
 * itself drops unknown scopes of resource servers silently.
 */
export function requireKnownScopes(ctx: KoaContextWithOIDC, requested: Iterable<string>): void {
  const row = clientRow(ctx.oidc.client);
  // The server's own scopes are about a user; a client that acts for itself has none.
  const offered = new Set(actsForItself(ctx) ? [] : grantableOidc(row));
  for (const server of Object.values(ctx.oidc.resourceServers ?? {})) {
    for (const scope of server.scopes) offered.add(scope);
  }
  for (const scope of requested) {
    if (!offered.has(scope)) throw new errors.InvalidScope(describeUnknown(scope), scope);
  }
}

// The usual mistake is to ask for a scope of an API without naming the API.
function describeUnknown(scope: string): string {
  const message = `The scope ${quote(scope)} is unknown or not allowed here.`;
  if ([...oidcScopes, ...ownScopes].includes(scope)) return message;
  return `${message} A scope of an API needs that API in the parameter resource.`;
}

/** The scopes of a request that names none, at the resource servers of this request; never `admin`. */
export function defaultScopesOf(ctx: KoaContextWithOIDC): string[] {
  const offered = Object.values(ctx.oidc.resourceServers ?? {}).flatMap((server) => [...server.scopes]);
  return defaultScopes(clientRow(ctx.oidc.client), offered);
}

// Null until a user has logged in: until then only the client limits the scopes.
function rolesOf(ctx: KoaContextWithOIDC): string[] | null {
  return knownSession(ctx)?.roles ?? null;
}
