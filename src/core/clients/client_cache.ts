// Clients and resource servers in memory: there are few, they rarely change, and every request needs one. The cache alone
// decides nothing: the caller passes the cache's version to the statement that decides, and that statement finds nothing when
// anything has changed since. So a removed secret is dead at once, on every node. Clients that no administrator vouches for are
// not cached and do not change the version (migrations/006).
import { AppError } from '../../lib/errors.ts';
import { createLru, type Lru } from '../../lib/lru.ts';
import { declareColumns, isText, type Table } from '../store/columns.ts';
import type { Db } from '../store/db.ts';
import { statement } from '../store/statements.ts';
import { type Client, clientColumns } from './clients.ts';
import { type ResourceServer, resourceServerColumns } from './resource_servers.ts';
import { underProfile } from './security_profile.ts';

/** A client and the resource servers that its tokens may be for, as they were at one version of the client cache. */
export interface Registered {
  client: Client;
  /** By identifier; at most the first `maxServers`. */
  servers: ReadonlyMap<string, ResourceServer>;
  version: number;
}

export interface ClientCache {
  /** The client with the resource servers, or null when there is no such client. */
  find: (client_id: string) => Promise<Registered | null>;
  /** The resource servers, only to read what a client means: the version is not compared. */
  servers: () => Promise<Registered['servers']>;
  /** Whether this version is the current one: asked before a client is refused for what the cache says. One statement. */
  isCurrent: (version: number) => Promise<boolean>;
  /**
   * The same as it is now, for a caller whose deciding statement does not compare the version. `seen` is the version that a
   * statement of this request has read; without one, it is read.
   */
  findCurrent: (client_id: string, seen?: number) => Promise<Registered | null>;
  /** The caller calls this when a statement found that this version is not the current one. */
  forget: (version: number) => void;
}

declare module 'knex/types/tables.js' {
  interface Tables {
    registry: Table<{ version: number }>;
  }
}

declareColumns('registry', {});

/** SQL that is true while no cached client and no resource server has changed since `:version`. */
export const isCurrentVersionSql = '(select version from registry) = :version';

// Names the columns, because a prepared `*` fails when a newer node adds a column.
const columnsOfClient =
  'client_id metadata secrets first_party registered_by rotation_profile refresh_token_retry_window access_token_ttl session_idle_ttl session_absolute_ttl max_sessions scope resource_server default_resource claims token_version review blocked_at created_at updated_at deleted_at';
const columnsOfServer =
  'identifier name scope access_token_format access_token_typ access_token_ttl claims created_at updated_at';

const list = (columns: string) => columns.replaceAll(' ', ', ');

const readClient = statement<Client & { version: number }>(
  { name: 'registered_client', commit: 'local' },
  () =>
    `select ${list(columnsOfClient)}, (select version from registry) as version from clients where client_id = :client_id and blocked_at is null and deleted_at is null`,
  clientColumns,
);

const readServers = statement<ResourceServer & { version: number }>(
  { name: 'registered_servers', commit: 'local' },
  () => `
  select ${list(columnsOfServer)}, version from registry
    left join (
      select ${list(columnsOfServer)} from resource_servers order by identifier <> :own_resource, identifier limit :limit
    ) r on true`,
  resourceServerColumns,
);

const readCurrency = statement<{ is_current: boolean }>(
  { name: 'is_current_version', commit: 'local' },
  () => `select ${isCurrentVersionSql} as is_current`,
  { is_current: 'boolean' },
);

/** Whether no cached client and no resource server has changed since `version`, where no other statement asks. */
export async function isCurrentVersion(db: Db, version: number): Promise<boolean> {
  const [found] = await readCurrency(db, { version });
  return found?.is_current === true;
}

/** The metadata of one client is at most a few KiB. */
const maxClients = 1_000;
/** Their identifiers are a parameter of every refresh. */
export const maxServers = 100;

/** How often a client is read again while others change: often enough for an import of clients, which changes one after the other. */
const maxTries = 20;

interface Contents {
  version: number;
  clients: Lru<Client>;
  /** Reads in progress, so that a hundred concurrent requests make one statement. */
  pending: Map<string, Promise<Client | 'changed' | null>>;
  servers: ReadonlyMap<string, ResourceServer>;
}

/**
 * Opens the cache of one process. It contains the resource server of our own API, if that is registered, however many others
 * there are. Only clients that an administrator vouches for are cached. The others are read each time, because a change of one
 * of them must not empty the cache of every node.
 */
export function openClientCache(db: Db, own_resource: string): ClientCache {
  let known: Promise<Contents> | null = null;
  let outdated: number | null = null;

  // All callers wait for one read. A read that began before the version was found to be outdated may still return that version.
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

  // A client that changed while it was read is read again, so that null always means that there is none.
  async function find(client_id: string): Promise<Registered | null> {
    for (let tries = 0; tries < maxTries; tries += 1) {
      const all = await current();
      const client = await clientOf(db, all, client_id);
      if (client !== 'changed') return client && { client, servers: all.servers, version: all.version };
      outdated = all.version;
    }
    throw new AppError('unavailable');
  }

  return {
    find,
    servers: async () => (await current()).servers,
    async findCurrent(client_id, seen) {
      const known = await find(client_id);
      if (!known || known.version === seen) return known;
      if (await isCurrentVersion(db, known.version)) return known;
      outdated = known.version;
      return await find(client_id);
    },
    isCurrent: (version) => isCurrentVersion(db, version),
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
  // A read that another request began may be older than a change that was answered before this request arrived. The version,
  // which the deciding statement compares, reveals that only for clients that an administrator vouches for; others are read again.
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
  return version === at ? underProfile(client) : 'changed';
}
