// How many statements a refresh of each kind sends to Postgres.
import { createResourceServer } from '../../src/core/clients/resource_servers.ts';
import { type KindName, kinds, openKind, refreshKind } from '../helpers/refresh_kinds.ts';
import { statementsOf } from '../helpers/statements.ts';
import { testOnStores } from '../helpers/stores.ts';
import { createTwinClients, opaque } from '../helpers/twin_clients.ts';
import { openPair } from '../helpers/twins.ts';

const settings = { TRUST_PROXY: '1', MTLS_CERTIFICATE_HEADER: 'x-client-certificate' };

// A statement that is not alone travels in a transaction of its own, so no BEGIN is among them.
const expected: Record<KindName, number> = {
  plain: 1,
  openid: 1,
  'third party': 1,
  'no resource': 2,
  opaque: 2,
  'several resources': 1,
  'one of several resources': 2,
  'narrowed scope': 2,
  DPoP: 2,
  'DPoP of a confidential client': 2,
  'DPoP that the client demands': 2,
  certificate: 2,
  'opaque with DPoP': 3,
};

testOnStores('a refresh of any kind sends at most three statements', async (t, store) => {
  if (store.name === 'sqlite') {
    t.pass('a statement of SQLite is no round trip');
    return;
  }
  const pair = await openPair(t, store, settings);
  const { db } = pair.deps;
  await createTwinClients(db);
  for (const name of Object.keys(kinds) as KindName[]) {
    const session = await openKind(pair, name);
    t.is((await refreshKind(pair.fast, name, session)).status, 200, name);
    const sent = await statementsOf(db, async () => {
      t.is((await refreshKind(pair.fast, name, session, { generation: 1 })).status, 200, name);
    });
    t.is(sent.length, expected[name], `${name}\n${sent.join('\n')}`);
    const more = await statementsOf(db, async () => {
      t.is((await refreshKind(pair.engine, name, session, { generation: 2 })).status, 200, name);
    });
    t.is(more.length, expected[name] + 1, `the engine reads the client of ${name}\n${more.join('\n')}`);
  }
});

testOnStores('a session of the 101st resource server refreshes as any other', async (t, store) => {
  const pair = await openPair(t, store, settings);
  const { db } = pair.deps;
  for (let i = 0; i < 101; i += 1)
    await createResourceServer(db, { identifier: `https://a-${i}.example.test/` });
  await createTwinClients(db);
  const session = await openKind(pair, 'opaque');
  const { status, body } = await refreshKind(pair.fast, 'opaque', session);
  t.is(status, 200);
  t.is(body.scope, 'opaque:read');
  await db('resource_servers').where({ identifier: opaque }).delete();
  const refused = await refreshKind(pair.fast, 'opaque', session, { generation: 1 });
  t.is(refused.status, 400);
  t.is(refused.body.error, 'invalid_target');
  const row = await db('sessions').where({ id: session.id }).first();
  t.is(row?.generation, 1, 'a refused request does not use up its token');
});
