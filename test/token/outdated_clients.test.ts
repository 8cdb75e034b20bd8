// A node that remembers a client decides by the client's present rights: each right that a client or a resource server can lose is taken
// away at another node after this one has used it.
import { removeClient } from '../../src/core/actions/delete_client.ts';
import { mintRefreshToken } from '../../src/core/sessions/refresh_token.ts';
import { json } from '../../src/core/store/columns.ts';
import { keyring, makeUser, openTestSession, password } from '../helpers/builders.ts';
import { type Answer, send } from '../helpers/client.ts';
import { rowOf } from '../helpers/rows.ts';
import { testOnStores } from '../helpers/stores.ts';
import { type ClientName, createTwinClients, opaque, orders, proofOf } from '../helpers/twin_clients.ts';
import { behindProxy, openPair, ownApi, type Pair } from '../helpers/twins.ts';

type Row = Record<string, unknown>;
type Ask = () => Promise<Answer>;

/** How a right is lost, the request that uses it, and the status and what is essential of its answer afterwards. */
interface Loss {
  client: ClientName;
  grant: 'refresh' | 'password' | 'client_credentials' | 'introspect';
  form?: Record<string, string>;
  lose: (pair: Pair, client_id: string) => Promise<unknown>;
  after: unknown[];
}

const change =
  (row: Row) =>
  async ({ deps: { db } }: Pair, client_id: string) =>
    await db('clients').where({ client_id }).update(row);

const changeMetadata = (members: Row) => async (pair: Pair, client_id: string) => {
  const { metadata } = await rowOf(pair.deps.db('clients').where({ client_id }).first());
  return await change({ metadata: json({ ...metadata, ...members }) })(pair, client_id);
};

const changeServer =
  (identifier: string, row: Row) =>
  async ({ deps: { db } }: Pair) =>
    await db('resource_servers').where({ identifier }).update(row);

const remove = async ({ deps: { db } }: Pair, client_id: string) =>
  await removeClient(db, { actor: 'system' }, client_id);

const losses: Record<string, Loss> = {
  'the grant refresh_token': {
    client: 'strict',
    grant: 'refresh',
    lose: changeMetadata({ grant_types: ['password'] }),
    after: [400, 'unauthorized_client'],
  },
  'unbound tokens': {
    client: 'strict',
    grant: 'refresh',
    lose: changeMetadata({ dpop_bound_access_tokens: true }),
    after: [400, 'invalid_grant'],
  },
  'bearer tokens without certificate': {
    client: 'strict',
    grant: 'refresh',
    lose: changeMetadata({ tls_client_certificate_bound_access_tokens: true }),
    after: [400, 'invalid_grant'],
  },
  'its access without a secret': {
    client: 'strict',
    grant: 'refresh',
    lose: changeMetadata({ token_endpoint_auth_method: 'client_secret_post' }),
    after: [401, 'invalid_client'],
  },
  'its secret': {
    client: 'post',
    grant: 'refresh',
    lose: change({ secrets: '[]' }),
    after: [401, 'invalid_client'],
  },
  'its scope': { client: 'strict', grant: 'refresh', lose: change({ scope: 'openid' }), after: [200, ''] },
  'the scope of our own API': {
    client: 'strict',
    grant: 'refresh',
    lose: change({ first_party: false }),
    after: [200, ''],
  },
  'its access, by a block': {
    client: 'strict',
    grant: 'refresh',
    lose: change({ blocked_at: new Date() }),
    after: [401, 'invalid_client'],
  },
  'its existence': { client: 'hasty', grant: 'refresh', lose: remove, after: [401, 'invalid_client'] },
  'to be first-party': {
    client: 'strict',
    grant: 'password',
    lose: change({ first_party: false }),
    after: [400, 'unauthorized_client'],
  },
  'the password grant': {
    client: 'strict',
    grant: 'password',
    lose: changeMetadata({ grant_types: ['refresh_token'] }),
    after: [400, 'unauthorized_client'],
  },
  'a scope of a login': {
    client: 'bound',
    grant: 'password',
    form: { scope: 'account' },
    lose: change({ scope: 'openid' }),
    after: [400, 'invalid_scope'],
  },
  'an administrator’s word': {
    client: 'strict',
    grant: 'password',
    lose: change({ registered_by: 'itself' }),
    after: [400, 'unauthorized_client'],
  },
  'its own scope': {
    client: 'machine',
    grant: 'client_credentials',
    form: { scope: 'orders:read', resource: orders },
    lose: change({ scope: 'account' }),
    after: [400, 'invalid_scope'],
  },
  'a scope of a resource server': {
    client: 'machine',
    grant: 'client_credentials',
    form: { scope: 'orders:read', resource: orders },
    lose: changeServer(orders, { scope: 'orders:write' }),
    after: [400, 'invalid_scope'],
  },
  'a resource server': {
    client: 'machine',
    grant: 'client_credentials',
    form: { resource: orders },
    lose: async ({ deps: { db } }) => await db('resource_servers').where({ identifier: orders }).delete(),
    after: [400, 'invalid_target'],
  },
  'to introspect': {
    client: 'gateway',
    grant: 'introspect',
    lose: change({ resource_server: null }),
    after: [200, false],
  },
  'to introspect for this resource': {
    client: 'gateway',
    grant: 'introspect',
    lose: change({ resource_server: opaque }),
    after: [200, false],
  },
};

/** The request that uses a right; each call is one more use. */
async function prepare({ deps: { db }, fast }: Pair, { client, grant, form }: Loss): Promise<Ask> {
  const user = await makeUser(db);
  const owner = grant === 'refresh' ? client : 'strict';
  const session = await openTestSession(db, {
    user,
    client: await rowOf(db('clients').where({ client_id: owner }).first()),
    grant_payload: { openid: { scope: 'account' }, resources: { [ownApi]: 'account' } },
    token_payload: { gty: 'password', scope: 'account', resource: ownApi },
  });
  const post = async (name: ClientName, path: string, more: Record<string, string>) => {
    const proof = await proofOf(name, 'registered');
    return await send(`${fast.url}${path}`, { form: { ...proof.form, ...more }, headers: proof.headers });
  };
  let generation = 0;
  const refresh = async () => {
    const refresh_token = mintRefreshToken(keyring, session, generation);
    generation += 1;
    return await post(owner, '/token', { grant_type: 'refresh_token', refresh_token });
  };
  if (grant === 'refresh') return refresh;
  if (grant === 'introspect') {
    const token = String((await refresh()).body.access_token);
    return async () => await post(client, '/introspect', { token });
  }
  const login: Record<string, string> = grant === 'password' ? { username: user.username, password } : {};
  return async () => await post(client, '/token', { grant_type: grant, ...login, ...form });
}

/** Gives everything back that a client or a resource server may have lost. */
async function keep(pair: Pair, client_id: string): Promise<() => Promise<void>> {
  const { db } = pair.deps;
  const client = await rowOf(db('clients').where({ client_id }).first());
  const server = await rowOf(db('resource_servers').where({ identifier: orders }).first());
  return async () => {
    const { metadata, secrets, scope, first_party, registered_by, resource_server } = client;
    const rights = { scope, first_party, registered_by, resource_server, blocked_at: null, deleted_at: null };
    await change({ ...rights, metadata: json(metadata), secrets: json(secrets) })(pair, client_id);
    await db('resource_servers')
      .insert({ ...server, claims: null })
      .onConflict('identifier')
      .merge();
  };
}

testOnStores('a right that a client has lost at another node is lost at this one', async (t, store) => {
  const pair = await openPair(t, store, behindProxy);
  await createTwinClients(pair.deps.db);
  for (const [name, loss] of Object.entries(losses)) {
    const giveBack = await keep(pair, loss.client);
    const ask = await prepare(pair, loss);
    // The cache still has the client without its right, and the engine reads it again.
    t.is((await ask()).status, 200, name);
    const reached = pair.fast.reached();
    const before = await ask();
    t.is(before.status, 200, `${name}: ${before.text}`);
    t.not(before.body.active, false, name);
    t.is(pair.fast.reached(), reached, `${name}: the cache has the client`);
    await loss.lose(pair, loss.client);
    const { status, body } = await ask();
    t.deepEqual([status, body.error ?? body.active ?? body.scope ?? ''], loss.after, name);
    await giveBack();
  }
});
