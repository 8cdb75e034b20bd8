// What a token is for: the resource server, which one request names (RFC 8707) or the session has, and the scope that the grant,
// the client and the user still allow (RFC 6749, 6).
import { grantableOf, splitScope } from '../core/access_tokens/grantable_scopes.ts';
import { heldOidc } from '../core/access_tokens/held_scopes.ts';
import type { Registered } from '../core/clients/client_cache.ts';
import { registeredIdentifier } from '../core/clients/resource_identifiers.ts';
import {
  type AccessTokenTyp,
  findResourceServer,
  listResourceServers,
  type ResourceServer,
} from '../core/clients/resource_servers.ts';
import { findMeant } from '../core/clients/scope_owners.ts';
import type { Deps } from '../core/deps.ts';
import { grantOf, payloadOf, type TokenSession } from '../core/sessions/token_session.ts';
import { AppError } from '../lib/errors.ts';
import { quote } from '../lib/quote.ts';

export interface Target {
  /** The audience; null for a token that is good at userinfo alone. */
  resource: string | null;
  /** The resource server; null for our own API when it is not registered, and without audience. */
  server: ResourceServer | null;
  format: 'jwt' | 'opaque';
  /** The type of a JWT. */
  typ: AccessTokenTyp;
  /** Seconds. */
  ttl: number;
  /** The scope of the access token, space-delimited; it may be empty. */
  scope: string;
  /** The scope that the answer names: that of the access token, and what it is good for at userinfo. */
  answered: string;
  /** The scope at userinfo of a token for another API, where the request asked for less than the session holds. */
  userinfo_scope?: string;
  /** The scopes that the request asks for: those of the session unless it names some of them. */
  asked: ReadonlySet<string>;
}

/** What a request may name; by default everything that was granted at the login. */
export interface Asked {
  scope?: string | undefined;
  resources: readonly string[];
}

/**
 * What the tokens of a session are for. Refuses with `invalid_target` a resource that was not granted to the session or is no
 * longer registered. That the session has the scopes of the request is checked by the caller.
 */
export async function findTarget(
  deps: Deps,
  known: Registered,
  session: TokenSession,
  { scope, resources }: Asked,
): Promise<Target> {
  const { client } = known;
  const payload = payloadOf(session);
  const asked = new Set(splitScope(scope ?? payload.scope));
  const granted = grantedResources(payload);
  const meant = resources.map((one) => (granted.includes(one) ? one : registeredFor(deps, known, one)));
  if (!meant.every((one) => granted.includes(one))) throw notGranted(resources);
  const among = scope === undefined ? granted : meantBy(session, granted, asked);
  const resource = chooseResource(client, meant.length > 0 ? meant : among);
  const held = heldOidc(client, grantOf(session));
  const own = held.filter((one) => asked.has(one));
  if (resource === null) {
    const ttl = client.access_token_ttl ?? deps.config.accessTokenTtl;
    const scope = own.join(' ');
    return { resource, server: null, format: 'opaque', typ: 'at+jwt', ttl, scope, answered: scope, asked };
  }
  const server = await findServer(deps, known, resource);
  const isOwn = resource === deps.config.resource;
  return {
    resource,
    server,
    format: server?.access_token_format ?? 'jwt',
    typ: server?.access_token_typ ?? 'at+jwt',
    ttl: server?.access_token_ttl ?? client.access_token_ttl ?? deps.config.accessTokenTtl,
    ...scopesAt(own, scopeAt(deps, known, session, { resource, server, asked }), isOwn),
    ...(isOwn || own.length === held.length ? {} : { userinfo_scope: own.join(' ') }),
    asked,
  };
}

/** The registered spelling of the resource that a request names. */
export function registeredFor(
  { config }: Pick<Deps, 'config'>,
  { servers }: Pick<Registered, 'servers'>,
  asked: string,
): string {
  return registeredIdentifier(servers, config.resource, asked);
}

/** The resource servers of a session. */
function grantedResources({ resource }: { resource?: string | string[] }): string[] {
  return resource ? [resource].flat() : [];
}

// Of the resource servers of a session, the only one that was granted all scopes which a request names; else all of them.
function meantBy(session: TokenSession, granted: string[], asked: ReadonlySet<string>): string[] {
  const { resources } = grantOf(session);
  const owners = granted.map((identifier) => ({ identifier, scopes: splitScope(resources?.[identifier]) }));
  const meant = findMeant(owners, [...asked]);
  return meant === null ? granted : [meant];
}

/** Of several resource servers a token is for the client's default one, or else for the first. */
function chooseResource({ default_resource }: Registered['client'], among: readonly string[]): string | null {
  return among.find((one) => one === default_resource) ?? among[0] ?? null;
}

function notGranted(resources: readonly string[]): AppError {
  const named = resources.map(quote).join(' or ');
  return new AppError('invalid_target', `The resource ${named} was not granted to this session.`);
}

/**
 * The resource server, or null for our own API when it is not registered. Refuses with `invalid_target` one that is not
 * registered. The client cache holds the first hundred; another one is read.
 */
export async function findServer(
  deps: Deps,
  { servers }: Pick<Registered, 'servers'>,
  identifier: string,
): Promise<ResourceServer | null> {
  const cached = servers.get(identifier);
  if (cached) return cached;
  if (identifier === deps.config.resource) return null;
  const found = await findResourceServer(deps.db, identifier);
  if (!found) throw await unknownResource(deps, identifier);
  return found;
}

/** The refusal of a resource that is not registered. The usual mistake is a trailing slash; in development the answer lists what is registered. */
export async function unknownResource({ config, db }: Deps, identifier: string): Promise<AppError> {
  const message = `No resource server is registered as ${quote(identifier)}`;
  if (config.env !== 'development') return new AppError('invalid_target', `${message}.`);
  const registered = (await listResourceServers(db, 20)).map((one) => quote(one.identifier));
  const all = [...new Set([config.resource, ...registered])].join(', ');
  return new AppError('invalid_target', `${message}. Registered: ${all}.`);
}

interface At {
  resource: string;
  server: ResourceServer | null;
  asked: ReadonlySet<string>;
}

// Each scope of an access token has a meaning for its audience (RFC 9068, 2.2.3): `own`, the scopes of the server itself, are in those for
// our own API. The answer names them all, because the token is good at userinfo, and libraries refuse an answer with less than they asked
// for (RFC 6749, 5.1).
function scopesAt(own: string[], granted: string[], isOwn: boolean): Pick<Target, 'scope' | 'answered'> {
  const answered = [...own, ...granted].join(' ');
  return { scope: isOwn ? answered : granted.join(' '), answered };
}

// The scopes of the resource server, granted at login, that the client and the user may still have.
function scopeAt(
  { config }: Deps,
  { client }: Registered,
  session: TokenSession,
  { resource, server, asked }: At,
): string[] {
  const { resources } = grantOf(session);
  const isOwn = resource === config.resource;
  const possible = new Set(grantableOf(client, { isOwn, registered: server }, session));
  return splitScope(resources?.[resource]).filter((one) => asked.has(one) && possible.has(one));
}
