import { readdir } from 'node:fs/promises';
import { isMigrated, migrate } from '../../../src/core/store/migrate.ts';
import { runChild, runChildren } from '../../helpers/child.ts';
import { testOnEmptyStores, testOnStores } from '../../helpers/stores.ts';

const all = (await readdir(new URL('../../../migrations', import.meta.url))).toSorted();
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

function byLength(a: unknown[], b: unknown[]): number {
  return a.length - b.length;
}
