// The grant of an authorization request: a first-party client gets everything that it requests, other clients what the user
// has allowed.
import type { Grant, KoaContextWithOIDC } from 'oidc-provider';
import type { Deps } from '../../core/deps.ts';
import { findConsent, type Granted } from '../../core/users/consents.ts';
import { newId } from '../../lib/ids.ts';
import { clientRow } from './context.ts';

const ids = new WeakMap<object, string>();

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
  const allowed = row.first_party
    ? null
    : (await findConsent(deps.db, account.accountId, row.client_id))?.granted;
  grantScopes(ctx, grant, allowed ?? (row.first_party ? null : nothing));
  return grant;
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
