// What a migration waits for is told, with who holds it.
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { openDatabase } from '../../../src/core/store/db.ts';
import { migrate } from '../../../src/core/store/migrate.ts';
import { createPostgresClient } from '../../../src/core/store/postgres_client.ts';
import { makeEmptyStore, makeStore } from '../../helpers/stores.ts';
import { giveTime, until } from '../../helpers/until.ts';

const folder = {
  directory: fileURLToPath(new URL('../../../migrations', import.meta.url)),
  loadExtensions: ['.ts'],
};

interface Told {
  text: string;
  data: { file?: string; held_by: { pid: number; application_name?: string }[] };
}

function listen() {
  const { promise: told, resolve } = Promise.withResolvers<Told>();
  return { told, tell: (text: string, data: object) => resolve({ text, data } as Told) };
}

const forOthers = 'waiting for another process that migrates the database';

test('a wait for another process that migrates Postgres is reported with that process', async (t) => {
  giveTime(t);
  const store = await makeEmptyStore('postgres');
  t.teardown(store.drop);
  const other = createPostgresClient(store.url, 'somebody else');
  await other.connect();
  t.teardown(() => other.end());
  const { rows } = await other.query('select pg_advisory_lock(7162534418), pg_backend_pid() as pid');
  const { told, tell } = listen();
  const migrating = migrate(store.url, tell);
  const { text, data } = await told;
  t.is(text, forOthers);
  t.deepEqual(
    data.held_by.map(({ pid, application_name }) => ({ pid, application_name })),
    [{ pid: rows[0].pid, application_name: 'somebody else' }],
  );
  await other.query('select pg_advisory_unlock(7162534418)');
  t.true((await migrating).length > 0);
});

test('a migration that waits for a transaction reports whose it is', async (t) => {
  giveTime(t);
  const store = await makeStore('postgres');
  t.teardown(store.drop);
  const other = createPostgresClient(store.url, 'a forgotten transaction');
  await other.connect();
  t.teardown(() => other.end());
  await other.query('begin; lock table knex_migrations in access exclusive mode');
  const { told, tell } = listen();
  const migrating = migrate(store.url, tell);
  const { text, data } = await told;
  t.is(text, 'the migration waits for a lock in the database');
  t.deepEqual(
    data.held_by.map(({ application_name }) => application_name),
    ['a forgotten transaction'],
  );
  await other.query('commit');
  t.deepEqual(await migrating, []);
});

test('a wait for another process that migrates a SQLite file is reported with the lock file', async (t) => {
  giveTime(t);
  const store = await makeEmptyStore('sqlite');
  t.teardown(store.drop);
  const lock = openDatabase(`${store.url}.lock`);
  t.teardown(() => lock.destroy());
  await lock.raw('begin immediate');
  const { told, tell } = listen();
  const migrating = migrate(store.url, tell);
  const { text, data } = await told;
  t.is(text, forOthers);
  t.is(`sqlite:${data.file}`, `${store.url}.lock`);
  await lock.raw('commit');
  t.true((await migrating).length > 0);
});

for (const [name, table] of [
  ['017_rotation_profiles.ts', 'clients'],
  ['018_access_token_types.ts', 'resource_servers'],
] as const) {
  test(`while a backup reads, the migration ${name} waits and holds back no reader`, async (t) => {
    giveTime(t);
    const store = await makeStore('postgres');
    t.teardown(store.drop);
    await store.db.migrate.down({ ...folder, name });
    const backup = createPostgresClient(store.url, 'a backup');
    await backup.connect();
    t.teardown(() => backup.end());
    await backup.query(`begin; lock table ${table} in access share mode`);
    const migrating = migrate(store.url);
    const isWaiting = async () =>
      (await store.db.raw('select 1 from pg_locks where not granted and relation = ?::regclass', [table]))
        .rowCount > 0;
    await until(isWaiting, 'the migration waits for the backup');
    t.deepEqual(await store.db(table).select(), [], 'a reader that came after the migration');
    t.deepEqual(await store.db('knex_migrations').where({ name }), []);
    await backup.query('commit');
    t.deepEqual(await migrating, [name]);
  });
}
