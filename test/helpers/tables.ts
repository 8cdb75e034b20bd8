// The whole database, table by table, as a holder of a copy sees it.
import type { ExecutionContext } from 'ava';
import type { Knex } from 'knex';
import '../../src/core/tables.ts';
import { isPostgres, openDatabase, rows } from '../../src/core/store/db.ts';
import { createConcurrencyGate } from '../../src/lib/concurrency_gate.ts';
import { patience, type Store } from './stores.ts';

type Row = Record<string, unknown>;

/** Every row of every table of Kindred. */
export async function readTables(db: Knex): Promise<Record<string, Row[]>> {
  const tables: Record<string, Row[]> = {};
  for (const name of await listTables(db)) tables[name] = await db(name);
  return tables;
}

/** The number of rows in each table. */
export async function countRows(db: Knex): Promise<Record<string, number>> {
  const tables = await readTables(db);
  return Object.fromEntries(Object.entries(tables).map(([name, all]) => [name, all.length]));
}

/** The whole database as text; bytes in every encoding that a search might use. */
export async function dumpText(db: Knex): Promise<string> {
  const forms = ['hex', 'base64', 'base64url', 'latin1'] as const;
  return JSON.stringify(await readTables(db), function (this: Row, key, value) {
    const bytes = this[key];
    return Buffer.isBuffer(bytes) ? forms.map((form) => bytes.toString(form)) : value;
  });
}

// A connection to SQLite that waits for a lock occupies one of libuv's four threads; a dozen of them in one process block the
// holder of the lock. So these tests run one at a time.
const oneAtATime = createConcurrencyGate(1);

/** Opens further connection pools on the same database, as other nodes have them; closed with the test. */
export async function openDatabases(t: ExecutionContext, store: Store, count: number): Promise<Knex[]> {
  if (store.name === 'sqlite') {
    const { promise: over, resolve: finish } = Promise.withResolvers<void>();
    t.teardown(finish);
    await new Promise<void>((start) => {
      void oneAtATime(() => {
        start();
        return over;
      });
    });
  }
  return Array.from({ length: Math.min(count, store.name === 'sqlite' ? 2 : count) }, () => {
    const db = openDatabase(store.url, { pool: 6, wait: patience });
    t.teardown(() => db.destroy());
    return db;
  });
}

async function listTables(db: Knex): Promise<string[]> {
  const found = await rows<{ name: string }>(
    db,
    isPostgres(db)
      ? // Partitions are read through their table.
        "select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition order by name"
      : "select name from sqlite_master where type = 'table' and name not like 'sqlite_%' order by name",
  );
  return found.map((row) => row.name).filter((name) => !name.startsWith('knex_'));
}
