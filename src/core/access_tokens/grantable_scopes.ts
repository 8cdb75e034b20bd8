// Decides which scopes a client may be granted, and which it gets by default. They never exceed the client's registered scope
// (RFC 8707; RFC 6749, 3.3).
import type { Client } from '../clients/clients.ts';
import { adminScopes, oidcScopes, ownScopes } from '../clients/own_scopes.ts';
import type { ResourceServer } from '../clients/resource_servers.ts';
import { type Holder, mayHaveScope } from '../users/rights.ts';

/** The columns of a client that bound its scopes. */
export type BoundClient = Pick<Client, 'scope' | 'first_party' | 'review' | 'metadata'>;

/** A resource server as far as its scopes matter. */
export interface ScopeSource {
  /** Whether it is our own API, which offers `account` and those of administration in addition to its registered scopes. */
  isOwn: boolean;
  /** Its row, or null when it is not registered. */
  registered: Pick<ResourceServer, 'scope'> | null;
}

/** The scopes of one resource server that a client may be granted; `holder` is the user, null when no user is known yet. */
export function grantableOf(
  client: BoundClient,
  { isOwn, registered }: ScopeSource,
  holder: Holder | null,
): string[] {
  const own = isOwn ? ownScopes.filter((scope) => mayHaveOwn(client, scope, holder)) : [];
  return [...own, ...grantable(client, splitScope(registered?.scope))];
}

/** The server's own scopes that a client may be granted; `offline_access` is a name for what a client may do that refreshes. */
export function grantableOidc(client: BoundClient): string[] {
  const bound = grantable(client, oidcScopes);
  return oidcScopes.filter((scope) =>
    scope === 'offline_access' ? mayRefresh(client) : bound.includes(scope),
  );
}

/** Whether a client may refresh: it has access while the user is away, whether or not it asks for `offline_access`. */
export function mayRefresh({ metadata }: BoundClient): boolean {
  return metadata.grant_types?.includes('refresh_token') === true;
}

/**
 * The scopes of a request without `scope`: all grantable scopes of the requested resource servers (`offered`), and those
 * registered ones that belong to the server itself. Never one of administration, which a client must request.
 */
export function defaultScopes(client: BoundClient, offered: string[]): string[] {
  const registered = hasOwnScope(client) ? grantable(client, oidcScopes) : [];
  return [...new Set([...registered, ...offered])].filter((scope) => !adminScopes.includes(scope));
}

/**
 * The same for an authorization request (RFC 6749, 3.3): a third-party client without a registered scope gets none, because it would
 * otherwise ask its user for everything that the resource servers offer.
 */
export function defaultAuthorizationScopes(client: BoundClient, offered: string[]): string[] {
  return client.first_party || hasOwnScope(client) ? defaultScopes(client, offered) : [];
}

// A scope that an upgrade wrote into the row bounds the client, but is no default until an administrator confirms it.
function hasOwnScope({ scope, review }: BoundClient): boolean {
  return scope !== null && !splitScope(review).includes('scope');
}

// Our own API is for first-party clients; its administration for those whose registered scope names it.
function mayHaveOwn(client: BoundClient, scope: string, holder: Holder | null): boolean {
  if (!client.first_party) return false;
  if (!adminScopes.includes(scope)) return grantable(client, [scope]).length > 0;
  return splitScope(client.scope).includes(scope) && (holder === null || mayHaveScope(holder, scope));
}

function grantable(client: BoundClient, offered: readonly string[]): string[] {
  const bound = client.scope === null ? null : new Set(splitScope(client.scope));
  return offered.filter((scope) => bound === null || bound.has(scope));
}

/** The single scopes of a space-delimited string. */
export function splitScope(scope: string | null | undefined): string[] {
  return scope ? scope.split(' ') : [];
}
