// Which resource servers a scope belongs to.
import type { Db } from '../store/db.ts';
import { maxServers } from './client_cache.ts';
import { adminRights, ownScopes } from './own_scopes.ts';
import { listResourceServers, type ResourceServer } from './resource_servers.ts';

/** A resource server with its scopes. */
export interface ScopeOwner {
  identifier: string;
  scopes: readonly string[];
}

/** The most resource servers among which a scope is looked for. */
const limit = 1_000;

type Servers = ReadonlyMap<string, ResourceServer>;

// By the resource servers of the client cache, which makes a new map when any of them has changed.
const known = new WeakMap<Servers, ScopeOwner[]>();

/**
 * All resource servers, our own API first. `servers` are those of the client cache, which has them all unless there are very many; then, or
 * where the caller has none, the first {@link limit} are read.
 */
export async function listScopeOwners(
  db: Db,
  servers: Servers | undefined,
  own_resource: string,
): Promise<ScopeOwner[]> {
  if (servers === undefined) return ownersOf(await listResourceServers(db, limit), own_resource);
  const before = known.get(servers);
  if (before) return before;
  const isComplete = servers.size < maxServers;
  const all = isComplete ? [...servers.values()] : await listResourceServers(db, limit);
  const owners = ownersOf(all, own_resource);
  known.set(servers, owners);
  return owners;
}

function ownersOf(all: ResourceServer[], own_resource: string): ScopeOwner[] {
  const scopesOf = (identifier: string) =>
    all.find((one) => one.identifier === identifier)?.scope.split(' ') ?? [];
  const others = all
    .filter(({ identifier }) => identifier !== own_resource)
    .map(({ identifier, scope }) => ({ identifier, scopes: scope.split(' ') }));
  // A resource server that had the name of a right before it was one of ours keeps it: a request without `resource` means that server.
  const taken: string[] = adminRights.filter((right) => isOwned(others, right));
  const own = ownScopes.filter((scope) => !taken.includes(scope));
  return [{ identifier: own_resource, scopes: [...own, ...scopesOf(own_resource)] }, ...others];
}

/** Whether a scope belongs to any of these resource servers. */
export function isOwned(owners: readonly ScopeOwner[], scope: string): boolean {
  return owners.some(({ scopes }) => scopes.includes(scope));
}

/**
 * The resource server that a request means which names these scopes and none: the only one to which all of them belong that belong to any.
 * Null when there is none, or several.
 */
export function findMeant(owners: readonly ScopeOwner[], scopes: readonly string[]): string | null {
  const owned = scopes.filter((scope) => isOwned(owners, scope));
  const [meant, ...others] = owners.filter((one) => owned.every((scope) => one.scopes.includes(scope)));
  return meant && owned.length > 0 && others.length === 0 ? meant.identifier : null;
}
