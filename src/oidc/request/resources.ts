// Which resource servers and scopes a request may name (RFC 8707; RFC 6749, 3.3). The rules that need no request are in
// core/access_tokens/grantable_scopes.ts.
import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import { grantableOf } from '../../core/access_tokens/grantable_scopes.ts';
import type { Deps } from '../../core/deps.ts';
import { unknownResource } from '../../token/target.ts';
import { findMeantResource, settleScopes } from './asked_scopes.ts';
import { clientRow, knownSession } from './context.ts';
import { findKnownServer } from './known_clients.ts';

/** The engine's feature of resource indicators, configured from our table. */
export function resourceIndicators(deps: Deps) {
  const { config, keys } = deps;
  return {
    enabled: true,
    /** The audience when the request names none: the one that its scopes mean, or else the client's default resource. */
    async defaultResource(ctx: KoaContextWithOIDC, client: unknown, oneOf?: readonly string[] | string) {
      const { default_resource, first_party } = clientRow(client);
      const granted = typeof oneOf === 'string' ? [oneOf] : oneOf;
      if (granted) return granted.find((one) => one === default_resource) ?? granted[0];
      const meant = (await findMeantResource(deps, ctx)) ?? default_resource;
      if (meant !== null) return meant;
      if (first_party) return config.resource;
      await settleScopes(deps, ctx, []);
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
      // Without a session no user has logged in: until then only the client limits the scopes.
      const scopes = grantableOf(row, source, knownSession(ctx));
      if (isLast(ctx, indicator)) await settleScopes(deps, ctx, [...scopesSoFar(ctx), ...scopes]);
      return {
        audience: indicator,
        scope: scopes.join(' '),
        accessTokenFormat: known?.access_token_format ?? ('jwt' as const),
        jwt: { sign: { alg: keys.ofAccessTokens().alg } },
        accessTokenTTL: known?.access_token_ttl ?? row.access_token_ttl ?? config.accessTokenTtl,
      };
    },
  };
}

// The engine asks for the resource servers of an authorization request in their order, before it uses the scopes. At the token endpoint
// the scopes are those of the code.
function isLast({ oidc }: KoaContextWithOIDC, indicator: string): boolean {
  const named = [oidc.params?.resource ?? []].flat();
  return (
    oidc.route !== 'token' && named.every((one) => one === indicator || oidc.resourceServers?.[String(one)])
  );
}

function scopesSoFar({ oidc }: KoaContextWithOIDC): string[] {
  return Object.values(oidc.resourceServers ?? {}).flatMap(({ scopes }) => [...scopes]);
}
