// The grant of an authorization request: a first-party client gets everything that it requests, other clients what the user
// has allowed.
import type { Grant, KoaContextWithOIDC } from 'oidc-provider';
import { defaultAuthorizationScopes } from '../../core/access_tokens/grantable_scopes.ts';
import type { Deps } from '../../core/deps.ts';
import { findConsent, type Granted } from '../../core/users/consents.ts';
import { newId } from '../../lib/ids.ts';
import { clientRow } from './context.ts';

const ids = new WeakMap<object, string>();
const consents = new WeakMap<object, Granted | null>();

/**
 * The grant of this request, not yet saved: `AuthorizationCode.save` and `DeviceCode.save` store it with the session
 * that has its id. The engine asks on every pass, also for a `prompt=none` that will fail and must store nothing.
 */
export async function loadGrant(deps: Deps, ctx: KoaContextWithOIDC): Promise<Grant | undefined> {
  const { client, account, provider } = ctx.oidc;
  if (!client || !account) return undefined;
  const grant = new provider.Grant({ accountId: account.accountId, clientId: client.clientId });
  const id = ids.get(ctx) ?? newId();
  ids.set(ctx, id);
  grant.jti = id;
  const row = clientRow(client);
  assumeScope(ctx);
  const allowed = row.first_party
    ? null
    : withOfflineAccess((await findConsent(deps.db, account.accountId, row.client_id))?.granted ?? null);
  consents.set(ctx, allowed);
  grantScopes(ctx, grant, allowed ?? (row.first_party ? null : nothing));
  if (isWithoutScopes(ctx)) permitNoScopes(grant);
  return grant;
}

// Every consent to a client that may refresh says that it keeps access while the user is away, so no other one is needed for the name. A
// client that may not refresh has lost the scope by now.
function withOfflineAccess(granted: Granted | null): Granted | null {
  return granted && { ...granted, openid: [...granted.openid, 'offline_access'] };
}

// A request without scopes gets the client's default ones (RFC 6749, 3.3).
function assumeScope({ oidc }: KoaContextWithOIDC): void {
  const { client, params, resourceServers } = oidc;
  if (!params || params.scope !== undefined) return;
  const offered = Object.values(resourceServers ?? {}).flatMap(({ scopes }) => [...scopes]);
  const scopes = defaultAuthorizationScopes(clientRow(client), offered);
  if (scopes.length > 0) params.scope = scopes.join(' ');
}

/** Whether the request asks for no scope that could be granted. */
function isWithoutScopes({ oidc }: KoaContextWithOIDC): boolean {
  const servers = Object.keys(oidc.resourceServers ?? {});
  return oidc.requestParamOIDCScopes.size === 0 && servers.every((one) => askedAt(oidc, one).length === 0);
}

/** The scopes of a resource server that the request asks for. */
function askedAt(oidc: KoaContextWithOIDC['oidc'], identifier: string): string[] {
  const offered = oidc.resourceServers?.[identifier]?.scopes;
  return [...oidc.requestParamScopes].filter((scope) => offered?.has(scope));
}

/**
 * What the user has to allow, by resource server, where the engine alone would not ask; null where there is nothing. The engine asks for
 * scopes. But a request without scopes is a login all the same, and a token for a resource server is a permission even without any scope
 * there, unless an administrator has chosen this server for the client.
 */
export function findUnallowed(ctx: KoaContextWithOIDC): Record<string, string[]> | null {
  const { first_party, default_resource } = clientRow(ctx.oidc.client);
  if (first_party) return null;
  const allowed = consents.get(ctx) ?? null;
  const isBare = isWithoutScopes(ctx);
  const servers = Object.keys(ctx.oidc.resourceServers ?? {}).map((identifier) => ({
    identifier,
    asked: askedAt(ctx.oidc, identifier),
    known: allowed?.resources[identifier],
  }));
  const isUnasked = ({ identifier, asked, known }: (typeof servers)[number]) =>
    asked.length === 0 && known === undefined && (isBare || identifier !== default_resource);
  if (!servers.some(isUnasked) && !(isBare && allowed === null)) return null;
  const missing = servers.filter(
    (one) => isUnasked(one) || one.asked.some((scope) => !one.known?.includes(scope)),
  );
  return Object.fromEntries(
    missing.map(({ identifier, asked, known }) => [
      identifier,
      asked.filter((scope) => !known?.includes(scope)),
    ]),
  );
}

// The engine takes a grant without any scope for a refusal of the user. It asks the grant in this way before it accepts the request,
// and says so with an event (see acceptGrant).
function permitNoScopes(grant: Grant): void {
  Object.defineProperty(grant, 'getOIDCScopeFiltered', { value: () => ' ', configurable: true });
}

/** To be called when the engine has accepted the request: from then on a grant names the scopes that it has. */
export function acceptGrant({ oidc }: KoaContextWithOIDC): void {
  if (oidc.grant) Reflect.deleteProperty(oidc.grant, 'getOIDCScopeFiltered');
}

const nothing: Granted = { openid: [], claims: [], resources: {} };

// Null allows everything that is asked for. Scopes that were allowed once but are not asked for now are not granted.
function grantScopes(ctx: KoaContextWithOIDC, grant: Grant, allowed: Granted | null): void {
  const { oidc } = ctx;
  const take = (asked: Iterable<string>, known: string[] | undefined) =>
    [...asked].filter((one) => allowed === null || known?.includes(one));
  const openid = take(oidc.requestParamOIDCScopes, allowed?.openid);
  if (openid.length > 0) grant.addOIDCScope(openid);
  const claims = take(oidc.requestParamClaims, allowed?.claims);
  if (claims.length > 0) grant.addOIDCClaims(claims);
  for (const identifier of Object.keys(oidc.resourceServers ?? {})) {
    const scopes = take(askedAt(oidc, identifier), allowed?.resources[identifier]);
    if (scopes.length > 0) grant.addResourceScope(identifier, scopes);
  }
}

/** The scopes of this request that the user has allowed the client before. */
export async function findConsentedScopes(
  { db }: Deps,
  user_id: string,
  client_id: string,
  params: object,
): Promise<Granted> {
  const known = (await findConsent(db, user_id, client_id))?.granted ?? nothing;
  const { scope = '' } = params as { scope?: string };
  const asked = new Set(scope.split(' '));
  const onlyAsked = (scopes: string[]) => scopes.filter((one) => asked.has(one));
  const resources = Object.entries(known.resources).map(
    ([identifier, scopes]) => [identifier, onlyAsked(scopes)] as const,
  );
  return {
    openid: onlyAsked(known.openid),
    claims: [],
    resources: Object.fromEntries(resources.filter(([, scopes]) => scopes.length > 0)),
  };
}
