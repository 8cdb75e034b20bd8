// A database per test, on SQLite and on Postgres: copied from the templates and dropped afterwards.
import { randomBytes } from 'node:crypto';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext, registerCompletionHandler } from 'ava';
import type { Knex } from 'knex';
import '../../src/core/tables.ts';
import { openDatabase } from '../../src/core/store/db.ts';
import { limitConcurrency } from './concurrent_tests.ts';
import { renewKeys } from './keys.ts';
import {
  databaseUrl,
  makePostgresTemplate,
  makeSqliteTemplate,
  query,
  type Template,
  templateName,
} from './templates.ts';

export type StoreName = 'sqlite' | 'postgres';

export interface Store {
  name: StoreName;
  url: string;
  db: Knex;
}

export interface OwnStore extends Store {
  drop(): Promise<void>;
}

export const storeNames: StoreName[] = ['sqlite', 'postgres'];

/** A fresh database of the current schema. */
export async function makeStore(name: StoreName): Promise<OwnStore> {
  const store = name === 'sqlite' ? await makeSqlite(true) : await makePostgres(true);
  await renewKeys(store.db);
  return store;
}

/** A fresh database without any table. */
export async function makeEmptyStore(name: StoreName): Promise<OwnStore> {
  return name === 'sqlite' ? await makeSqlite(false) : await makePostgres(false);
}

type Body = (t: ExecutionContext, store: Store) => Promise<void>;

/** Registers the test once per store, with a migrated database of its own that is dropped after all other teardowns. */
export function testOnStores(title: string, body: Body, names = storeNames): void {
  eachStore(title, makeStore, body, names);
}

/** Registers the test once per store, with an empty database of its own. */
export function testOnEmptyStores(title: string, body: Body): void {
  eachStore(title, makeEmptyStore, body, storeNames);
}

function eachStore(
  title: string,
  make: (name: StoreName) => Promise<OwnStore>,
  body: Body,
  names: StoreName[],
): void {
  for (const name of names) {
    test(`${title} (${name})`, async (t) => {
      await takePlace(t);
      const store = await make(name);
      t.teardown(store.drop);
      await body(t, store);
    });
  }
}

// Without a limit they would need more connections than Postgres has. The teardown is registered first and so runs last: the
// place is held until the test has cleaned up.
const takePlace = limitConcurrency(8);

async function makeSqlite(migrated: boolean): Promise<OwnStore> {
  const template = await sqliteTemplate();
  const directory = await mkdtemp(join(dirname(template), 'store-'));
  const file = join(directory, 'kindred.sqlite');
  if (migrated) await copyFile(template, file);
  return open('sqlite', `sqlite:${file}`, () => rm(directory, { recursive: true, force: true }));
}

async function makePostgres(migrated: boolean): Promise<OwnStore> {
  const base = await postgresTemplate();
  const name = `kindred_${randomBytes(8).toString('hex')}`;
  await query(base, `create database ${name} template ${migrated ? templateName : 'template0'}`);
  return open('postgres', databaseUrl(base, name), () => query(base, `drop database ${name} with (force)`));
}

/** Milliseconds for which a test's own statements wait for a connection; many at once are no outage. */
export const patience = 120_000;

function open(name: StoreName, url: string, remove: () => Promise<void>): OwnStore {
  const db = openDatabase(url, { wait: patience });
  return {
    name,
    url,
    db,
    async drop() {
      await db.destroy();
      await remove();
    },
  };
}

// test/run.ts makes the templates. Without it, as in `npx ava one.test.ts`, this process makes its own.
const sqliteTemplate = once(
  async () => process.env.KINDRED_TEST_SQLITE_TEMPLATE ?? (await own(makeSqliteTemplate)),
);
const postgresTemplate = once(
  async () => process.env.KINDRED_TEST_POSTGRES ?? (await own(makePostgresTemplate)),
);

async function own(make: () => Promise<Template>): Promise<string> {
  const template = await make();
  registerCompletionHandler(() => void template.stop());
  return template.address;
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | null = null;
  return () => {
    made ??= make();
    return made;
  };
}
