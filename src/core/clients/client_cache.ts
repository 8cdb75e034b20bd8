// Clients and resource servers in memory: there are few, they hardly ever change, and every request begins with one.
// Nothing is decided on what is remembered alone: whoever decides gives the version of the client cache to the statement that
// decides, which finds nothing when anything was changed since. So a removed secret is dead at once, on every node. Clients
// that nobody vouches for are not remembered, and do not count in the version (migrations/006).
import { createLru, type Lru } from '../../lib/lru.ts';
import { declareColumns, isText, type Table } from '../store/columns.ts';
import type { Db } from '../store/db.ts';
import { statement } from '../store/statements.ts';
import { type Client, clientColumns } from './clients.ts';
import { type ResourceServer, resourceServerColumns } from './resource_servers.ts';

/** A client and the APIs that its tokens may be for, as they were at one version of the client cache. */
export interface Registered {
  client: Client;
  /** By identifier; of very many, the first. */
  servers: ReadonlyMap<string, ResourceServer>;
  version: number;
}

export interface ClientCache {
  /** What is known of this client, or null when there is no such client. */
  find: (client_id: string) => Promise<Registered | null>;
  /** To be called when a statement found that this version is not the current one. */
  forget: (version: number) => void;
}

declare module 'knex/types/tables.js' {
  interface Tables {
    registry: Table<{ version: number }>;
  }
}

declareColumns('registry', {});

/** SQL that is true while nothing was changed since `:version`. */
export const isCurrentVersionSql = '(select version from registry) = :version';

// Columns by name: a `*` that was prepared breaks when a newer node adds a column.
const columnsOfClient =
  'client_id metadata secrets first_party registered_by rotation_profile refresh_token_retry_window access_token_ttl session_idle_ttl session_absolute_ttl scope resource_server default_resource token_version review blocked_at created_at updated_at deleted_at';
const columnsOfServer = 'identifier name scope access_token_format access_token_ttl created_at updated_at';

const list = (columns: string) => columns.replaceAll(' ', ', ');

const readClient = statement<Client & { version: number }>(
  'registered_client',
  () =>
    `select ${list(columnsOfClient)}, (select version from registry) as version from clients where client_id = :client_id and blocked_at is null and deleted_at is null`,
  clientColumns,
);

const readServers = statement<ResourceServer & { version: number }>(
  'registered_servers',
  () => `
  select ${list(columnsOfServer)}, version from registry
    left join (
      select ${list(columnsOfServer)} from resource_servers order by identifier <> :own_resource, identifier limit :limit
    ) r on true`,
  resourceServerColumns,
);

/** Metadata is a few KiB at the most. */
const maxClients = 1_000;
/** They travel with every refresh. */
const maxServers = 100;

interface Contents {
  version: number;
  clients: Lru<Client>;
  /** Those that are being read, so that a hundred requests at once make one statement. */
  pending: Map<string, Promise<Client | 'changed' | null>>;
  servers: ReadonlyMap<string, ResourceServer>;
}

/**
 * Opens the memory of one process. Whether our own API is registered beside is known however many others there are.
 * Only clients that an administrator vouches for are remembered: what others do is not worth emptying the memory of every
 * node, so these are read each time.
 */
export function openClientCache(db: Db, own_resource: string): ClientCache {
  let known: Promise<Contents> | null = null;
  let outdated: number | null = null;

  // Everybody waits for one read. One that began before the version was found to be outdated may still bring that version.
  async function current(isLast = false): Promise<Contents> {
    known ??= readContents(db, own_resource);
    const asked = known;
    try {
      const found = await asked;
      if (found.version !== outdated || isLast) return found;
    } catch (error) {
      if (known === asked) known = null;
      throw error;
    }
    if (known === asked) known = null;
    return await current(true);
  }

  return {
    async find(client_id) {
      const all = await current();
      const client = await clientOf(db, all, client_id);
      if (client === 'changed') outdated = all.version;
      return client === 'changed' || client === null
        ? null
        : { client, servers: all.servers, version: all.version };
    },
    forget(version) {
      outdated = version;
    },
  };
}

async function clientOf(db: Db, all: Contents, client_id: string): Promise<Client | 'changed' | null> {
  const { clients, pending, version } = all;
  const remembered = clients.get(client_id);
  if (remembered) return remembered;
  const shared = pending.get(client_id);
  const found = await (shared ?? readShared(db, all, client_id));
  const isCached = found === 'changed' || found?.registered_by === 'admin';
  // What another request began to read may be older than a change that was answered before this request came; the version,
  // which the deciding statement compares, tells that only of clients that an administrator vouches for.
  return shared && !isCached ? await findClientAt(db, client_id, version) : found;
}

async function readShared(
  db: Db,
  { clients, pending, version }: Contents,
  client_id: string,
): Promise<Client | 'changed' | null> {
  const reading = findClientAt(db, client_id, version).finally(() => pending.delete(client_id));
  pending.set(client_id, reading);
  const found = await reading;
  if (found !== 'changed' && found?.registered_by === 'admin') clients.set(client_id, found);
  return found;
}

async function readContents(db: Db, own_resource: string): Promise<Contents> {
  const found = await readServers(db, { own_resource, limit: maxServers });
  const servers = found.filter((one) => one.identifier !== null).map((one) => [one.identifier, one] as const);
  return {
    version: found[0]?.version ?? 0,
    clients: createLru(maxClients),
    pending: new Map(),
    servers: new Map(servers),
  };
}

async function findClientAt(db: Db, client_id: string, at: number): Promise<Client | 'changed' | null> {
  if (!isText(client_id)) return null;
  const [found] = await readClient(db, { client_id });
  if (!found) return null;
  const { version, ...client } = found;
  return version === at ? client : 'changed';
}
