// The client of a request and the resource servers, from the client cache. A request reads the cache's version once, as part of the
// first statement that it sends anyway, and uses the cache only at this version: a change is seen by the next request on every node.
import { type KoaContextWithOIDC, Provider } from 'oidc-provider';
import { maxServers } from '../../core/clients/client_cache.ts';
import { type Client, findClient } from '../../core/clients/clients.ts';
import { findResourceServer, type ResourceServer } from '../../core/clients/resource_servers.ts';
import type { Deps } from '../../core/deps.ts';
import { findCode } from '../../core/sessions/find_code.ts';
import { type Seen, seenByRequest } from './seen.ts';

/** The client of this id; null when there is none or it is blocked. */
export async function findKnownClient(deps: Deps, client_id: string): Promise<Client | null> {
  const seen = seenByRequest();
  if (seen.known?.client.client_id === client_id) return seen.known.client;
  if (seen.version === undefined) await readCode(deps, seen);
  const known = await deps.clientCache.findCurrent(client_id, seen.version);
  if (known) Object.assign(seen, { known, version: known.version });
  // The cache has no client that changes in this moment.
  const client = known?.client ?? (await findClient(deps.db, client_id));
  return client?.blocked_at ? null : client;
}

// An exchange reads its code first, and the version with it. A client that authenticates by an assertion may have to fetch its
// keys before; its code is read afterwards.
async function readCode({ db }: Deps, seen: Seen): Promise<void> {
  const { route, params } = (Provider.ctx as KoaContextWithOIDC | undefined)?.oidc ?? {};
  const { grant_type, code: handle, client_assertion } = params ?? {};
  const isExchange =
    route === 'token' && grant_type === 'authorization_code' && client_assertion === undefined;
  if (!isExchange || typeof handle !== 'string') return;
  const code = await findCode(db, handle);
  Object.assign(seen, { code: { ...code, handle }, version: code.version });
}

/** The resource server of this identifier, or null. */
export async function findKnownServer(
  { db, config }: Deps,
  identifier: string,
): Promise<ResourceServer | null> {
  const { known } = seenByRequest();
  const found = known?.servers.get(identifier);
  if (found) return found;
  // The cache holds our own API, if it is registered, and all others unless there are very many.
  const isComplete = known && (identifier === config.resource || known.servers.size < maxServers);
  return isComplete ? null : await findResourceServer(db, identifier);
}
