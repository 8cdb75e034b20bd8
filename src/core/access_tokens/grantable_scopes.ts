// Decides which scopes a client may be granted, and which it gets by default. They never exceed the client's registered scope
// (RFC 8707; RFC 6749, 3.3).
import type { Client } from '../clients/clients.ts';
import { oidcScopes, ownScopes } from '../clients/own_scopes.ts';
import type { ResourceServer } from '../clients/resource_servers.ts';

/** The columns of a client that bound its scopes. */
export type BoundClient = Pick<Client, 'scope' | 'first_party' | 'review' | 'metadata'>;

/** A resource server as far as its scopes matter. */
export interface ScopeSource {
  /** Whether it is our own API, which offers `account` and `admin` in addition to its registered scopes. */
  isOwn: boolean;
  /** Its row, or null when it is not registered. */
  registered: Pick<ResourceServer, 'scope'> | null;
}

/** The scopes of one resource server that a client may be granted; `roles` are the user's, null when no user is known yet. */
export function grantableOf(
  client: BoundClient,
  { isOwn, registered }: ScopeSource,
  roles: string[] | null,
): string[] {
  return grantable(client, [...(isOwn ? ownScopes : []), ...splitScope(registered?.scope)], roles);
}

/** The server's own scopes that a client may be granted; `offline_access` is a name for what a client may do that refreshes. */
export function grantableOidc(client: BoundClient): string[] {
  const bound = grantable(client, oidcScopes, null);
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
 * registered ones that belong to the server itself. Never `admin`, which a client must request.
 */
export function defaultScopes(client: BoundClient, offered: string[]): string[] {
  const registered = hasOwnScope(client) ? grantable(client, oidcScopes, null) : [];
  return [...new Set([...registered, ...offered])].filter((scope) => scope !== 'admin');
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

function grantable(client: BoundClient, offered: string[], roles: string[] | null): string[] {
  const bound = client.scope === null ? null : new Set(splitScope(client.scope));
  return offered.filter((scope) => {
    if (ownScopes.includes(scope) && !client.first_party) return false;
    if (scope === 'admin') return bound?.has('admin') === true && roles?.includes('admin') !== false;
    return bound === null || bound.has(scope);
  });
}

/** The single scopes of a space-delimited string. */
export function splitScope(scope: string | null | undefined): string[] {
  return scope ? scope.split(' ') : [];
}
