// The client cache: how many statements it makes, and which changes empty it.

import { openClientCache } from '../../../src/core/clients/client_cache.ts';
import { updateClient } from '../../../src/core/clients/clients.ts';
import { saveRegisteredClient } from '../../../src/core/clients/registered_clients.ts';
import { createResourceServer, deleteResourceServer } from '../../../src/core/clients/resource_servers.ts';
import { type Db, rows } from '../../../src/core/store/db.ts';
import { present } from '../../../src/core/store/sql_time.ts';
import { makeClient } from '../../helpers/builders.ts';
import { type Store, testOnStores } from '../../helpers/stores.ts';

const own_resource = 'https://id.example.test/api';

/** The statements that `work` runs. */
async function statementsOf({ db }: Store, work: () => Promise<unknown>): Promise<string[]> {
  const seen: string[] = [];
  const see = ({ sql }: { sql: string }) => seen.push(sql);
  db.on('query', see);
  try {
    await work();
  } finally {
    db.off('query', see);
  }
  return seen;
}

async function versionOf(db: Db): Promise<number> {
  const [row] = await rows<{ version: number }>(db, 'select version from registry');
  return Number(row?.version);
}

/** By how much `work` raises the version. */
async function rise({ db }: Store, work: () => Promise<unknown>): Promise<number> {
  const before = await versionOf(db);
  await work();
  return (await versionOf(db)) - before;
}

testOnStores('fifty concurrent reads of one client make two statements', async (t, store) => {
  const { client_id } = await makeClient(store.db);
  const cache = openClientCache(store.db, own_resource);
  const askAll = () => Promise.all(Array.from({ length: 50 }, () => cache.find(client_id)));
  t.is((await statementsOf(store, askAll)).length, 2);
  t.is((await statementsOf(store, askAll)).length, 0);
  cache.forget(await versionOf(store.db));
  const found = await askAll();
  t.is(found.filter((one) => one?.client.client_id === client_id).length, 50);
});

testOnStores('a report of a version that is long outdated does not replace a newer one', async (t, store) => {
  const { client_id } = await makeClient(store.db);
  const cache = openClientCache(store.db, own_resource);
  const old = await cache.find(client_id);
  const begun = cache.find(client_id);
  await store.db.transaction((tx) => updateClient(tx, client_id, { client_name: 'Renamed' }));
  cache.forget(old?.version ?? 0);
  await begun;
  const now = await cache.find(client_id);
  t.deepEqual([now?.client.metadata.client_name, now?.version], ['Renamed', await versionOf(store.db)]);
  // Another request reports late that the old version is outdated.
  cache.forget(old?.version ?? 0);
  t.is((await statementsOf(store, () => cache.find(client_id))).length, 0);
});

testOnStores('the cache recovers from a failed read', async (t, { db }) => {
  const { client_id } = await makeClient(db);
  let fails = true;
  const broken = new Proxy(db, {
    get(target, name, receiver) {
      if (fails && (name === 'client' || name === 'raw')) throw new Error('the database is away');
      return Reflect.get(target, name, receiver);
    },
  });
  const cache = openClientCache(broken, own_resource);
  await t.throwsAsync(cache.find(client_id), { message: 'the database is away' });
  fails = false;
  t.is((await cache.find(client_id))?.client.client_id, client_id);
});

const said = (name: string) => ({
  client_name: name,
  redirect_uris: ['https://app.example/cb'],
  token_endpoint_auth_method: 'none',
});

for (const by of ['itself', 'document'] as const) {
  testOnStores(
    `a client registered by ${by} does not empty the cache, and is read again each time`,
    async (t, store) => {
      const { db } = store;
      const save = (name: string) => saveRegisteredClient(db, 'stranger', said(name), by);
      const cache = openClientCache(db, own_resource);
      const ours = await makeClient(db);
      await cache.find(ours.client_id);
      t.is(await rise(store, () => save('First')), 0);
      t.is((await cache.find('stranger'))?.client.metadata.client_name, 'First');
      t.is(await rise(store, () => save('Second')), 0);
      const both = () => Promise.all([cache.find('stranger'), cache.find('stranger')]);
      for (const one of await both()) t.is(one?.client.metadata.client_name, 'Second');
      t.is((await statementsOf(store, () => cache.find(ours.client_id))).length, 0);
      t.is(await rise(store, async () => await db('clients').where({ client_id: 'stranger' }).delete()), 0);
      t.is(await cache.find('stranger'), null);
    },
  );
}

testOnStores('a change of a cached client or resource server raises the version', async (t, store) => {
  const { db } = store;
  let client_id = '';
  t.is(await rise(store, async () => ({ client_id } = await makeClient(db))), 1);
  const scope = (value: string) =>
    db.raw('update clients set scope = ? where client_id = ?', [value, client_id]);
  t.is(await rise(store, async () => await scope('openid')), 1);
  if (store.name === 'postgres') t.is(await rise(store, async () => await scope('openid')), 0, 'the same');
  t.is(
    await rise(store, async () => await db('clients').where({ client_id: 'nobody' }).update({ scope: 'x' })),
    0,
  );
  const api = 'https://orders.example.test/';
  t.is(await rise(store, () => createResourceServer(db, { identifier: api })), 1);
  t.is(await rise(store, () => deleteResourceServer(db, api)), 1);
  await saveRegisteredClient(db, 'stranger', said('Stranger'), 'itself');
  const adopt = db('clients').where({ client_id: 'stranger' }).update({ registered_by: 'admin' });
  t.is(await rise(store, async () => await adopt), 1, 'an administrator vouches for it');
  t.is(await rise(store, async () => await db('clients').where({ client_id }).delete()), 1);
});

testOnStores('a blocked client is no longer found at once', async (t, { db }) => {
  const cache = openClientCache(db, own_resource);
  const { client_id } = await makeClient(db);
  const known = await cache.find(client_id);
  await db('clients')
    .where({ client_id })
    .update({ blocked_at: present(db) } as never);
  cache.forget(known?.version ?? 0);
  t.is(await cache.find(client_id), null);
});

testOnStores(
  'a request that has read the version gets the client of that version, in no statement',
  async (t, store) => {
    const cache = openClientCache(store.db, own_resource);
    const { client_id } = await makeClient(store.db);
    const scopeOf = async (seen?: number) => (await cache.findCurrent(client_id, seen))?.client.scope;
    t.is(await scopeOf(), null);
    const before = await versionOf(store.db);
    t.deepEqual(await statementsOf(store, () => scopeOf(before)), []);
    // As another node does.
    await store.db('clients').where({ client_id }).update({ scope: 'openid' });
    t.is(await scopeOf(await versionOf(store.db)), 'openid');
    await store.db('clients').where({ client_id }).update({ scope: 'openid email' });
    t.is(await scopeOf(), 'openid email', 'without a version it is read');
    t.is(await scopeOf(before), 'openid email', 'an older one does not bring the old client back');
  },
);
