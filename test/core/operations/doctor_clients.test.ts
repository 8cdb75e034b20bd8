// What the doctor reports about clients that cannot work, or that an administrator should review.
import { newClientSecret } from '../../../src/core/clients/client_secrets.ts';
import { findClient } from '../../../src/core/clients/clients.ts';
import { createResourceServer } from '../../../src/core/clients/resource_servers.ts';
import { checkClients } from '../../../src/core/operations/doctor_clients.ts';
import type { Finding } from '../../../src/core/operations/finding.ts';
import { json } from '../../../src/core/store/columns.ts';
import { makeClient } from '../../helpers/builders.ts';
import { send } from '../../helpers/client.ts';
import { kindredJson } from '../../helpers/commands.ts';
import { token } from '../../helpers/oauth.ts';
import { testOnOwnServers } from '../../helpers/server.ts';
import { type Store, testOnStores } from '../../helpers/stores.ts';

const resource = 'https://id.example/api';
const orders = 'https://orders.example/';

const check = async ({ db }: Pick<Store, 'db'>): Promise<unknown[]> =>
  (await checkClients(db, { resource })).map(({ state, text, data }) => [
    state,
    text.split(':')[0]?.split(' ')[0],
    (data as { clients: string[] }).clients,
  ]);

testOnStores('clients that name an unregistered API are reported as wrong', async (t, store) => {
  const { db } = store;
  await createResourceServer(db, { identifier: orders });
  await makeClient(db, { client_id: 'good', resource_server: orders, default_resource: orders });
  await makeClient(db, { client_id: 'own', resource_server: resource, default_resource: resource });
  await makeClient(db, { client_id: 'gateway', resource_server: '*' });
  t.deepEqual(await check(store), []);
  await makeClient(db, { client_id: 'lost', resource_server: 'https://orders.example' });
  await makeClient(db, { client_id: 'astray', default_resource: 'https://orders.example' });
  t.deepEqual(await check(store), [
    ['wrong', 'resource_server', ['lost']],
    ['wrong', 'default_resource', ['astray']],
  ]);
});

testOnStores('clients with a wildcard in a redirect URI are named', async (t, store) => {
  const { client_id } = await makeClient(store.db, { redirect_uris: ['https://app.example/cb'] });
  t.deepEqual(await check(store), []);
  const { metadata } = (await findClient(store.db, client_id)) ?? {};
  await store
    .db('clients')
    .where({ client_id })
    .update({ metadata: json({ ...metadata, redirect_uris: ['https://app.example/*'] }) });
  t.deepEqual(await check(store), [['note', 'a', [client_id]]]);
});

testOnStores('of many clients, twenty are named and the others are counted', async (t, store) => {
  for (let i = 0; i < 25; i += 1) await makeClient(store.db, { client_id: `client-${100 + i}` });
  await store.db('clients').update({ review: 'scope' });
  const [found] = await checkClients(store.db, { resource });
  t.regex(found?.text ?? '', /: client-100, .*client-119 and 5 more$/);
});

testOnOwnServers(
  'a secret that is too short keeps working, and its client is named',
  {},
  async (t, server) => {
    const { client_id } = await makeClient(server.db, {
      token_endpoint_auth_method: 'client_secret_post',
      grant_types: ['client_credentials'],
    });
    const stored = newClientSecret('hunter2').stored;
    await server
      .db('clients')
      .where({ client_id })
      .update({ secrets: json([stored]) });
    const ask = async () =>
      await token(server, { grant_type: 'client_credentials', client_id, client_secret: 'hunter2' });
    const findings = async () =>
      (await kindredJson<{ findings: Finding[] }>(server, ['doctor'])).findings.filter(
        ({ check }) => check === 'clients',
      );
    t.deepEqual(await findings(), []);
    t.is((await ask()).status, 200);
    t.is(
      (await send(`${server.url}/introspect`, { form: { token: 'x', client_id, client_secret: 'hunter2' } }))
        .status,
      200,
    );
    // The note is written after the answer.
    while ((await findClient(server.db, client_id))?.review === null) await ask();
    const [found] = await findings();
    t.deepEqual([found?.state, found?.data], ['note', { clients: [client_id] }]);
    await kindredJson(server, ['add-client-secret', client_id]);
    await kindredJson(server, ['remove-client-secret', client_id, stored.id]);
    t.deepEqual(await findings(), []);
    t.is((await ask()).status, 401);
  },
);
