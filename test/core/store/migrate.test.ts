import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import type { Knex } from 'knex';
import { rows } from '../../../src/core/store/db.ts';
import { isMigrated, migrate } from '../../../src/core/store/migrate.ts';
import { runChild, runChildren } from '../../helpers/child.ts';
import { makeEmptyStore, testOnEmptyStores, testOnStores } from '../../helpers/stores.ts';
import { until } from '../../helpers/until.ts';

const directory = fileURLToPath(new URL('../../../migrations', import.meta.url));
const folder = { directory, loadExtensions: ['.ts'] };
const all = (await readdir(directory)).toSorted();
/** It changes users and then sessions, in one transaction. */
const epochs = '004_session_epochs.ts';
const migrateAlone = new URL('children/migrate.ts', import.meta.url);
const dieMigrating = new URL('children/die_migrating.ts', import.meta.url);

testOnEmptyStores(
  'a fresh database is migrated once, and the second run finds nothing to do',
  async (t, { url, db }) => {
    t.false(await isMigrated(db));
    t.deepEqual(await migrate(url), all);
    t.true(await isMigrated(db));
    t.deepEqual(await migrate(url), []);
    t.deepEqual(await db('users').select(), []);
  },
);

testOnEmptyStores(
  'of three processes that start at once on a fresh database, one migrates',
  async (t, { url, db }) => {
    const outcomes = await runChildren(3, migrateAlone, [url]);
    t.deepEqual(
      outcomes.map(({ code, stderr }) => ({ code, stderr })),
      outcomes.map(() => ({ code: 0, stderr: '' })),
    );
    t.deepEqual(outcomes.map(({ stdout }) => JSON.parse(stdout)).toSorted(byLength), [[], [], all]);
    t.true(await isMigrated(db));
  },
);

testOnStores(
  'a database that is newer than this version is ready and is left alone',
  async (t, { url, db }) => {
    await db('knex_migrations').insert({ name: '999_future.ts', batch: 2, migration_time: new Date() });
    const before = await db('knex_migrations').select('id', 'name', 'batch').orderBy('id');
    t.true(await isMigrated(db));
    t.deepEqual(await migrate(url), []);
    t.deepEqual(await db('knex_migrations').select('id', 'name', 'batch').orderBy('id'), before);
  },
);

testOnEmptyStores(
  'after a run that was killed in the middle, the next one continues',
  async (t, { url, db }) => {
    const killed = await runChild(dieMigrating, [url, 'create table .sessions.']);
    t.is(killed.signal, 'SIGKILL');
    t.false(await isMigrated(db));
    // Knex locks inside the transaction; a migration that cannot run in one would leave its lock behind like this.
    await db('knex_migrations_lock').update({ is_locked: 1 });

    t.deepEqual(await migrate(url), all);
    t.true(await isMigrated(db));
  },
);

test('a migration that a running node deadlocks with is repeated (postgres)', async (t) => {
  const { db, url, drop } = await makeEmptyStore('postgres');
  t.teardown(drop);
  for (const _before of all.slice(0, all.indexOf(epochs))) await db.migrate.up(folder);
  // A request that reads sessions first and users then, while the migration has locked users and waits for sessions.
  const request = await db.transaction();
  await request.raw("set local deadlock_timeout = '60s'");
  await request('sessions').select('id');
  const migrating = migrate(url);
  await until(async () => (await waiting(db)).length > 0, 'the migration waits');
  t.deepEqual(await request('users').select('id'), []);
  await request.commit();
  const names = await migrating;
  t.deepEqual(names, all.slice(all.indexOf(epochs)));
  t.true(await isMigrated(db));
});

// Connections that wait for a lock in this database.
async function waiting(db: Knex): Promise<{ pid: number }[]> {
  return await rows(
    db,
    'select pid from pg_locks where not granted and database = (select oid from pg_database where datname = current_database())',
  );
}

function byLength(a: unknown[], b: unknown[]): number {
  return a.length - b.length;
}
