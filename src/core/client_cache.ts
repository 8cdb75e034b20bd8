// Clients in memory: there are few, they hardly ever change, and every request begins with one. Nothing is decided on
// what is remembered alone: whoever decides gives the row's version to the statement that decides, which finds nothing
// when the row has changed since. So a removed secret is dead at once, on every node, whatever any of them remembers.
import { createLru } from '../lib/lru.ts';
import type { Client } from './clients.ts';
import { type Db, isPostgres, isText } from './db.ts';
import { statement } from './statements.ts';

export interface KnownClient extends Client {
  /** Another one whenever the row has changed in any way; the same for all rows on SQLite, where none is remembered. */
  version: string;
}

export interface ClientCache {
  find: (client_id: string) => Promise<KnownClient | null>;
  /** To be called when a statement did not find the version that was remembered. */
  forget: (client_id: string) => void;
}

/** Metadata is a few KiB at the most. */
const size = 1_000;

// The transaction that wrote a row: Postgres keeps it for every row, whoever changed it and by whatever means.
const versionSql = (db: Db) => (isPostgres(db) ? 'c.xmin::text' : "''");

const read = statement<KnownClient>(
  'client',
  (db) => `select c.*, ${versionSql(db)} as version from clients c where c.client_id = :client_id`,
);

/** SQL that is true for the client (alias `c`) that was remembered as `:client_id` in its `:version`. */
export function isKnownSql(db: Db): string {
  return `c.client_id = :client_id and ${versionSql(db)} = :version`;
}

/** Remembers clients on Postgres; on SQLite, where reading one costs next to nothing, each is read again. */
export function createClientCache(db: Db): ClientCache {
  const known = createLru<KnownClient>(isPostgres(db) ? size : 0);
  return {
    async find(client_id) {
      const remembered = known.get(client_id);
      if (remembered) return remembered;
      const [client] = isText(client_id) ? await read(db, { client_id }) : [];
      if (client) known.set(client_id, client);
      return client ?? null;
    },
    forget: (client_id) => known.delete(client_id),
  };
}
