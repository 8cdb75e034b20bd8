// What a request without a session asks for: resource servers (RFC 8707) and scopes (RFC 6749, 3.3). Which of them a client may be
// granted is decided by core/access_tokens/grantable_scopes.ts.
import {
  defaultScopes,
  grantableOf,
  grantableOidc,
  mayRefresh,
  splitScope,
} from '../core/access_tokens/grantable_scopes.ts';
import type { Registered } from '../core/clients/client_cache.ts';
import { adminScopes, oidcScopes, ownScopes } from '../core/clients/own_scopes.ts';
import type { ResourceServer } from '../core/clients/resource_servers.ts';
import { findMeant, listScopeOwners } from '../core/clients/scope_owners.ts';
import type { Deps } from '../core/deps.ts';
import { type Holder, mayHaveScope } from '../core/users/rights.ts';
import { AppError } from '../lib/errors.ts';
import { quote } from '../lib/quote.ts';
import { findServer, registeredFor } from './target.ts';

/** A resource server that a request names. */
export interface RequestedServer {
  identifier: string;
  /** Its row; null for our own API when it is not registered. */
  server: ResourceServer | null;
  /** The scopes there that the client may be granted. */
  scopes: string[];
}

/** A client that asks for a user who has not logged in yet, or for itself (`client_credentials`). */
export interface Asking {
  known: Registered;
  actsForItself: boolean;
}

/**
 * The resource servers of a request: those that it names, each once, else the one that its scopes mean, else the client's default, else
 * our own API. Refuses with `invalid_target`.
 */
export async function findRequested(
  deps: Deps,
  asking: Asking,
  resources: readonly string[],
  scope: string | undefined,
): Promise<RequestedServer[]> {
  const named = resources.length > 0 ? resources : [await findUnnamed(deps, asking, scope)];
  const found: RequestedServer[] = [];
  const meant = named.map((one) => registeredFor(deps, asking.known, one));
  for (const identifier of new Set(meant)) found.push(await findOne(deps, asking, identifier));
  return found;
}

async function findUnnamed(
  { db, config }: Deps,
  { known: { client, servers } }: Asking,
  scope: string | undefined,
): Promise<string> {
  const ofServers = splitScope(scope).filter((one) => !oidcScopes.includes(one));
  const owners = ofServers.length > 0 ? await listScopeOwners(db, servers, config.resource) : [];
  return findMeant(owners, ofServers) ?? client.default_resource ?? config.resource;
}

async function findOne(
  deps: Deps,
  { known, actsForItself }: Asking,
  identifier: string,
): Promise<RequestedServer> {
  requireIndicator(identifier);
  const server = await findServer(deps, known, identifier);
  const source = { isOwn: identifier === deps.config.resource, registered: server };
  // A client that acts for itself has the scopes that are registered for it, and no others.
  const hasNone = actsForItself && known.client.scope === null;
  return { identifier, server, scopes: hasNone ? [] : grantableOf(known.client, source, null) };
}

// An absolute URI without a fragment (RFC 8707, 2).
function requireIndicator(identifier: string): void {
  const href = URL.parse(identifier)?.href;
  if (!href) throw new AppError('invalid_target', 'resource indicator must be an absolute URI');
  if (href.includes('#'))
    throw new AppError('invalid_target', 'resource indicator must not contain a fragment component');
}

/**
 * The scopes of a request: those that it names, each once, or those that the client gets by default. Refuses with `invalid_scope`
 * one that does not exist or that the client may not have.
 */
export function requestedScopes(
  { known: { client }, actsForItself }: Asking,
  scope: string | undefined,
  servers: readonly RequestedServer[],
): string[] {
  const offered = servers.flatMap(({ scopes }) => scopes);
  if (scope === undefined) return defaultScopes(client, offered);
  const all = [...new Set(scope.split(' '))];
  // A client that may not refresh gets the rest without it, as in an authorization request.
  const asked = actsForItself ? all : all.filter((one) => one !== 'offline_access' || mayRefresh(client));
  // The server's own scopes are about a user.
  const possible = new Set([...(actsForItself ? [] : grantableOidc(client)), ...offered]);
  const refused = asked.find((one) => !possible.has(one));
  if (refused !== undefined) throw new AppError('invalid_scope', describeRefusedScope(refused));
  return asked;
}

/** Refuses with `invalid_scope` a scope of administration of our own API that this user may not have. */
export function requireHeld(
  { config }: Deps,
  user: Holder,
  servers: readonly RequestedServer[],
  scopes: readonly string[],
): void {
  // Another API may have a scope of the same name.
  const own = servers.find(({ identifier }) => identifier === config.resource)?.scopes ?? [];
  const asked = adminScopes.filter((scope) => scopes.includes(scope) && own.includes(scope));
  const refused = asked.find((scope) => !mayHaveScope(user, scope));
  if (refused === undefined) return;
  const text =
    refused === 'admin'
      ? 'The scope admin is for users with the role admin.'
      : `The scope ${refused} is for users with this permission or the role admin.`;
  throw new AppError('invalid_scope', text, { isDecided: true });
}

/**
 * The sentence about a scope that is refused. The usual mistakes are to ask for a scope of an API without naming the API, and for `admin`
 * with a client that was not registered for it. It is the same for every client and user.
 */
export function describeRefusedScope(scope: string): string {
  const message = `The scope ${quote(scope)} is unknown or not allowed here.`;
  if (scope === 'admin')
    return `${message} It needs a first-party client whose registered scope has it, and a user with the role admin.`;
  if (adminScopes.includes(scope))
    return `${message} It needs a first-party client whose registered scope has it, and a user with this permission or the role admin.`;
  if ([...oidcScopes, ...ownScopes].includes(scope)) return message;
  return `${message} A scope of an API needs that API in the parameter resource.`;
}
