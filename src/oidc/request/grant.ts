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
  const asked = [...oidc.requestParamScopes];
  const servers = Object.values(oidc.resourceServers ?? {});
  return (
    oidc.requestParamOIDCScopes.size === 0 &&
    servers.every((server) => !asked.some((scope) => server.scopes.has(scope)))
  );
}

/**
 * The resource servers at which the client of this request wants no scope and which the user has not allowed yet; null where nothing is
 * left to ask. A request without scopes is a login all the same, and a token for a resource server is a permission.
 */
export function findUnallowed(ctx: KoaContextWithOIDC): string[] | null {
  if (clientRow(ctx.oidc.client).first_party || !isWithoutScopes(ctx)) return null;
  const allowed = consents.get(ctx) ?? null;
  const missing = Object.keys(ctx.oidc.resourceServers ?? {}).filter(
    (identifier) => allowed?.resources[identifier] === undefined,
  );
  return allowed === null || missing.length > 0 ? missing : null;
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
  for (const [identifier, server] of Object.entries(oidc.resourceServers ?? {})) {
    const asked = [...oidc.requestParamScopes].filter((scope) => server.scopes.has(scope));
    const scopes = take(asked, allowed?.resources[identifier]);
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
