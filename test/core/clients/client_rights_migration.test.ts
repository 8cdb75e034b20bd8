// The migration of clients that an earlier version stored.
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { findClient, updateClient } from '../../../src/core/clients/clients.ts';
import { checkClients } from '../../../src/core/operations/doctor_clients.ts';
import { json } from '../../../src/core/store/columns.ts';
import { migrate } from '../../../src/core/store/migrate.ts';
import { type Store, testOnEmptyStores } from '../../helpers/stores.ts';

const directory = fileURLToPath(new URL('../../../migrations', import.meta.url));
const names = (await readdir(directory)).toSorted();

/** Migrates up to the version before the rights of clients were stored. */
async function migrateBefore({ db }: Store): Promise<void> {
  for (const name of names.filter((one) => one < '005_'))
    await db.migrate.up({ directory, loadExtensions: ['.ts'], name } as never);
}

async function insert(
  { db }: Store,
  client_id: string,
  grant_types: string[],
  more: object = {},
): Promise<void> {
  await db('clients').insert({
    client_id,
    metadata: json({ grant_types, response_types: [], token_endpoint_auth_method: 'client_secret_basic' }),
    secrets: json([]),
    first_party: false,
    rotation_profile: 'strict',
    created_at: new Date(),
    updated_at: new Date(),
    ...more,
  });
}

const machine = ['client_credentials'];

async function prepare(store: Store): Promise<void> {
  await migrateBefore(store);
  const now = new Date();
  for (const [identifier, scope] of [
    ['https://a.example/', 'a:read a:write'],
    ['https://b.example/', 'b:read a:read'],
    ['https://c.example/', ''],
  ]) {
    await store.db('resource_servers').insert({
      identifier,
      scope,
      access_token_format: 'jwt',
      created_at: now,
      updated_at: now,
    });
  }
}

testOnEmptyStores('an upgrade writes down what machines could have, and no more', async (t, store) => {
  await prepare(store);
  await insert(store, 'machine', machine);
  await insert(store, 'api', machine, { resource_server: 'https://a.example/' });
  await insert(store, 'own-machine', machine, { first_party: true });
  await insert(store, 'app', [...machine, 'authorization_code', 'refresh_token'], { first_party: true });
  await insert(store, 'shop', [...machine, 'authorization_code']);
  await insert(store, 'bound', machine, { scope: 'a:read admin' });
  await insert(store, 'people', ['password', 'refresh_token'], { first_party: true });

  await migrate(store.url);

  const rows = await store.db('clients').select('client_id', 'scope', 'review').orderBy('client_id');
  const apis = 'a:read a:write b:read';
  const oidc = 'openid profile email offline_access';
  t.deepEqual(
    rows.map((row: object) => ({ ...row })),
    [
      { client_id: 'api', scope: apis, review: 'scope' },
      { client_id: 'app', scope: `${oidc} account ${apis}`, review: 'scope' },
      { client_id: 'bound', scope: 'a:read admin', review: null },
      { client_id: 'machine', scope: apis, review: 'scope' },
      { client_id: 'own-machine', scope: `account ${apis}`, review: 'scope' },
      { client_id: 'people', scope: null, review: null },
      { client_id: 'shop', scope: `${oidc} ${apis}`, review: 'scope' },
    ],
  );
});

testOnEmptyStores(
  'an upgrade removes machine grants from clients that no administrator vouches for',
  async (t, store) => {
    await prepare(store);
    await insert(store, 'alone', machine, { registered_by: 'itself' });
    await insert(store, 'both', ['authorization_code', ...machine, 'password'], { registered_by: 'itself' });
    await insert(store, 'https://d.example/', ['authorization_code', 'password'], {
      registered_by: 'document',
    });
    await insert(store, 'good', ['authorization_code'], { registered_by: 'itself' });

    await migrate(store.url);

    const read = async (id: string) => {
      const client = await findClient(store.db, id);
      return [client?.metadata.grant_types, client?.scope, client?.review];
    };
    t.deepEqual(await read('alone'), [[], null, 'grant_types']);
    t.deepEqual(await read('both'), [['authorization_code'], null, 'grant_types']);
    t.deepEqual(await read('https://d.example/'), [['authorization_code'], null, 'grant_types']);
    t.deepEqual(await read('good'), [['authorization_code'], null, null]);
  },
);

testOnEmptyStores('an upgrade makes a day of access tokens that lived longer', async (t, store) => {
  await prepare(store);
  await insert(store, 'long', machine, { access_token_ttl: 315_360_000 });
  await insert(store, 'day', ['password'], { access_token_ttl: 86_400 });

  await migrate(store.url);

  const rows = await store
    .db('clients')
    .select('client_id', 'access_token_ttl', 'review')
    .orderBy('client_id');
  const found = await checkClients(store.db, { resource: 'https://id.example/api' });
  t.deepEqual(
    found.map(({ state, data }) => [state, data]),
    [
      ['note', { clients: ['long'] }],
      ['note', { clients: ['long'] }],
    ],
  );
  await store.db.transaction((tx) => updateClient(tx, 'long', { scope: 'a:read' }));
  t.is(
    (await checkClients(store.db, { resource: 'https://id.example/api' })).length,
    1,
    'a confirmed member is no longer reported',
  );
  await store.db.transaction((tx) => updateClient(tx, 'long', { access_token_ttl: null }));
  t.deepEqual(await checkClients(store.db, { resource: 'https://id.example/api' }), []);
  t.deepEqual(
    rows.map((row: object) => ({ ...row })),
    [
      { client_id: 'day', access_token_ttl: 86_400, review: null },
      { client_id: 'long', access_token_ttl: 86_400, review: 'scope access_token_ttl' },
    ],
  );
});
