// Migrations that run outside a transaction may be broken off between two steps, and are then repeated. Taken back and run again, they
// leave the same tables and rows.
import { fileURLToPath } from 'node:url';
import type { Knex } from 'knex';
import { createResourceServer } from '../../../src/core/clients/resource_servers.ts';
import { rotationProfiles } from '../../../src/core/clients/rotation_profiles.ts';
import { migrate } from '../../../src/core/store/migrate.ts';
import { makeClient, openTestSession } from '../../helpers/builders.ts';
import { testOnStores } from '../../helpers/stores.ts';

const folder = {
  directory: fileURLToPath(new URL('../../../migrations', import.meta.url)),
  loadExtensions: ['.ts'],
};
const names = ['016_signing_algs.ts', '017_rotation_profiles.ts', '018_access_token_types.ts'];
const [algs = '', ...others] = names;
const earlierIndex =
  "create unique index signing_keys_one_of_each on signing_keys (status) where status in ('current', 'upcoming')";

/** Sessions, clients with their profiles, resource servers, and the indexes of the keys. */
async function state(db: Knex) {
  return {
    clients: await db('clients').orderBy('client_id').select('client_id', 'refresh_token_retry_window'),
    sessions: await db('sessions').orderBy('id').pluck('id'),
    servers: await db('resource_servers').orderBy('identifier').pluck('identifier'),
    indexes: await indexesOf(db),
  };
}

async function indexesOf(db: Knex): Promise<string[]> {
  const found: { name: string }[] = await (db.client.config.client === 'pg'
    ? db('pg_indexes').where({ tablename: 'signing_keys' }).select('indexname as name')
    : db('sqlite_master').where({ type: 'index', tbl_name: 'signing_keys' }).select('name'));
  return found
    .map(({ name }) => name)
    .filter((name) => name.startsWith('signing_keys_one'))
    .toSorted();
}

/** Clients of all profiles, one with a session, and a resource server. */
async function fill(db: Knex): Promise<void> {
  for (const rotation_profile of rotationProfiles) {
    const client = await makeClient(db, { rotation_profile });
    if (rotation_profile === 'web') await openTestSession(db, { client });
  }
  await createResourceServer(db, { identifier: 'https://orders.example/', access_token_typ: 'JWT' });
}

testOnStores(
  'taken back and run again, the migrations leave every row, and only known profiles are written',
  async (t, { db, url }) => {
    await fill(db);
    await db('signing_keys').where({ alg: 'RS256' }).delete();
    const before = await state(db);
    for (const name of names.toReversed()) await db.migrate.down({ ...folder, name });
    const earlier = await state(db);
    t.deepEqual(earlier, { ...before, indexes: ['signing_keys_one_of_each'] });
    t.deepEqual(await migrate(url), names);
    t.deepEqual(await state(db), before);
    const profiles = (await db('clients').pluck('rotation_profile')).toSorted();
    t.deepEqual(profiles, ['mobile', 'observe', 'spa', 'strict', 'strict'], 'the earlier version had no web');
    await t.throwsAsync(db.raw("update clients set rotation_profile = 'unknown'"));
    const version = async () => await db('registry').pluck('version');
    const [counted] = await version();
    await db('clients').update({ rotation_profile: 'web' });
    t.true(Number((await version())[0]) > Number(counted), 'the triggers are still there');
  },
);

testOnStores(
  'a migration that was broken off is repeated, in whatever order the others have run',
  async (t, { db, url }) => {
    await fill(db);
    const before = await state(db);
    for (const broken of [[algs], others, names]) {
      await db('knex_migrations').whereIn('name', broken).delete();
      t.deepEqual(await migrate(url), broken);
      t.deepEqual(await state(db), before);
    }
    await db('signing_keys').where({ alg: 'RS256' }).delete();
    await db.raw(earlierIndex);
    await db('knex_migrations').where({ name: algs }).delete();
    t.deepEqual(await migrate(url), [algs], 'when both indexes were there');
    t.deepEqual(await state(db), before);
  },
);

testOnStores('the index of several algorithms stays while there are keys of several', async (t, { db }) => {
  await t.throwsAsync(db.migrate.down({ ...folder, name: algs }));
  t.deepEqual(await indexesOf(db), ['signing_keys_one_of_each_alg']);
});
