// What a client may do on its own behalf, and that its tokens follow its rights.
import type { ClientChange, NewClient } from '../../src/core/clients/client_metadata.ts';
import { addClientSecret, removeClientSecret } from '../../src/core/clients/client_secrets.ts';
import { findClient, updateClient } from '../../src/core/clients/clients.ts';
import { enterAsClient } from '../helpers/admin.ts';
import { makeClient } from '../helpers/builders.ts';
import { assertRefused, type Form, send } from '../helpers/client.ts';
import {
  api,
  token as askToken,
  authOf,
  introspect,
  isActive,
  refresh,
  signIn,
  tokensOf,
} from '../helpers/oauth.ts';
import { makeConfidentialClient, makeResourceServer, type ResourceServer } from '../helpers/resources.ts';
import { type TestServer, testOnServers } from '../helpers/server.ts';

type Client = Awaited<ReturnType<typeof makeConfidentialClient>>;

const alone = (server: TestServer, client: Client, form: Form = {}) =>
  askToken(server, { grant_type: 'client_credentials', ...authOf(client), ...form });

testOnServers('client_credentials grants no scope beyond the client’s registration', async (t, server) => {
  const orders = await makeResourceServer(server);
  const notes = await makeResourceServer(server);
  const machine = { grant_types: ['client_credentials'] };
  const clients = [
    await makeConfidentialClient(server, machine),
    await makeConfidentialClient(server, { ...machine, first_party: false }),
    await makeConfidentialClient(server, { ...machine, resource_server: orders.identifier }),
    await makeConfidentialClient(server, { ...machine, resource_server: '*' }),
  ];
  const invalid = { status: 400, error: 'invalid_scope' };
  for (const client of clients) {
    for (const resource of [orders.identifier, notes.identifier]) {
      for (const scope of ['orders:read', 'orders:write', 'account', 'admin', 'openid'])
        assertRefused(t, await alone(server, client, { resource, scope }), invalid, scope);
      const { scope, access_token } = tokensOf(await alone(server, client, { resource }));
      t.is(scope, undefined as never, 'no scope requested, no scope granted');
      t.is((await introspect(server, access_token)).scope, undefined);
    }
    assertRefused(t, await alone(server, client, { scope: 'account' }), invalid);
    t.is(tokensOf(await alone(server, client)).scope, undefined as never);
  }
});

testOnServers('client_credentials grants the scopes of the client’s registration', async (t, server) => {
  const orders = await makeResourceServer(server);
  const client = await makeConfidentialClient(server, {
    grant_types: ['client_credentials'],
    scope: 'orders:read',
  });
  const resource = orders.identifier;
  t.is(tokensOf(await alone(server, client, { resource })).scope, 'orders:read');
  t.is(tokensOf(await alone(server, client, { resource, scope: 'orders:read' })).scope, 'orders:read');
  for (const scope of ['orders:write', 'orders:read orders:write', 'account', 'admin'])
    assertRefused(t, await alone(server, client, { resource, scope }), {
      status: 400,
      error: 'invalid_scope',
    });
});

testOnServers('a client without grants can introspect and gets no token', async (t, server) => {
  const orders = await makeResourceServer(server);
  const asker = await makeConfidentialClient(server, {
    grant_types: [],
    resource_server: orders.identifier,
  });
  const machine = await makeConfidentialClient(server, {
    grant_types: ['client_credentials'],
    scope: 'orders:read',
  });
  const { access_token } = tokensOf(await alone(server, machine, { resource: orders.identifier }));
  t.is((await introspect(server, access_token, asker)).active, true);
  assertRefused(t, await alone(server, asker), { status: 400, error: 'unauthorized_client' });
});

const app: Partial<NewClient> = {
  token_endpoint_auth_method: 'client_secret_post',
  grant_types: ['client_credentials', 'password', 'refresh_token'],
  scope: 'account orders:read profile',
  resource_server: '*',
};

type Change = (server: TestServer, client: Client) => Promise<unknown>;

const change =
  (given: ClientChange): Change =>
  async ({ db }, { client_id }) =>
    await db.transaction(async (tx) => await updateClient(tx, client_id, given));

const removeOldSecret: Change = async ({ db }, { client_id }) => {
  const old = (await findClient(db, client_id))?.secrets[0];
  await addClientSecret(db, client_id);
  await removeClientSecret(db, client_id, old?.id ?? '');
};

const replaceSecretNow: Change = async ({ db }, { client_id }) =>
  await addClientSecret(db, client_id, { previous_expires: new Date(0) });

// The node decides the time, with a clock a little ahead of the database's.
const replaceSecretNowByAnotherClock: Change = async ({ db }, { client_id }) =>
  await addClientSecret(db, client_id, { previous_expires: new Date(Date.now() + 2_000) });

const endings: Record<string, Change> = {
  'a secret is removed': removeOldSecret,
  'a secret is replaced at once': replaceSecretNow,
  'a secret is replaced at once by a clock that is ahead': replaceSecretNowByAnotherClock,
  'its scope is narrowed': change({ scope: 'account' }),
  'its scope is removed': change({ scope: null }),
  'a grant is taken': change({ grant_types: ['refresh_token', 'password'] }),
  'it is ours no more': change({ first_party: false }),
  'it may not introspect any more': change({ resource_server: null }),
  'it authenticates otherwise': change({ token_endpoint_auth_method: 'client_secret_basic' }),
  'its tokens are to be bound': change({ dpop_bound_access_tokens: true }),
  'another takes its place': async ({ db }, { client_id, client_secret }) => {
    await db('clients').where({ client_id }).delete();
    await makeClient(db, { ...app, client_id, client_secret });
  },
};

const harmless: Record<string, Change> = {
  'nothing changes': change({ scope: 'account orders:read profile', first_party: true }),
  'a secret is added': async ({ db }, { client_id }) => await addClientSecret(db, client_id),
  'its name changes': change({ client_name: 'Renamed' }),
  'it gets more scope': change({ scope: 'account orders:read orders:write profile' }),
  'it gets another grant': change({
    grant_types: ['client_credentials', 'password', 'refresh_token', 'authorization_code'],
    redirect_uris: ['https://app.example/cb'],
  }),
};

/** A client with a token of its own at each resource server, and one user's tokens there and at our own API. */
async function holdTokens(server: TestServer, resources: ResourceServer[]) {
  const client = await makeConfidentialClient(server, app);
  const { user, tokens } = await signIn(server, { client, form: { scope: 'account profile' } });
  const held = [tokens.access_token];
  for (const { form } of resources) {
    held.push(tokensOf(await alone(server, client, form)).access_token);
    held.push((await signIn(server, { client, user, form })).tokens.access_token);
  }
  return { client, own: tokens.access_token, held };
}

async function statesOf(server: TestServer, held: string[], own: string): Promise<unknown[]> {
  const states = [];
  for (const value of held) states.push(await isActive(server, value));
  const json = { username: undefined };
  states.push((await api(server, 'GET /me', own)).status === 200);
  states.push((await api(server, 'PATCH /me', own, { json })).status === 200);
  states.push((await api(server, 'GET /sessions', own)).status === 200);
  states.push((await send(`${server.url}/userinfo`, { token: own })).status !== 401);
  return states;
}

for (const [title, end] of Object.entries(endings)) {
  testOnServers(`what a client and its users hold is dead once ${title}`, async (t, server) => {
    const resources = [await makeResourceServer(server, 'jwt'), await makeResourceServer(server, 'opaque')];
    const { client, held, own } = await holdTokens(server, resources);
    const before = await statesOf(server, held, own);
    t.deepEqual(
      before,
      before.map(() => true),
    );
    await end(server, client);
    const after = await statesOf(server, held, own);
    t.deepEqual(
      after,
      after.map(() => false),
    );
  });
}

testOnServers('a client’s tokens stay valid after a change that takes no right away', async (t, server) => {
  const resources = [await makeResourceServer(server, 'jwt'), await makeResourceServer(server, 'opaque')];
  const { client, held, own } = await holdTokens(server, resources);
  for (const [title, alter] of Object.entries(harmless)) {
    await alter(server, client);
    const states = await statesOf(server, held, own);
    t.deepEqual(
      states,
      states.map(() => true),
      title,
    );
  }
});

testOnServers(
  'tokens that a client gets after it lost a right are valid within the same second',
  async (t, server) => {
    const orders = await makeResourceServer(server);
    const client = await makeConfidentialClient(server, app);
    for (const scope of ['account orders:read', 'orders:read', 'orders:read account']) {
      await change({ scope })(server, client);
      const { access_token } = tokensOf(await alone(server, client, orders.form));
      t.is(await isActive(server, access_token), true);
      const { tokens } = await signIn(server, { client, form: orders.form });
      t.is(await isActive(server, tokens.access_token), true);
      t.is(
        await isActive(server, tokensOf(await refresh(server, client, tokens.refresh_token)).access_token),
        true,
      );
    }
  },
);

testOnServers('a client’s admin token ends with the secret with which it was issued', async (t, server) => {
  const { client, token } = await enterAsClient(server, 'admin');
  t.is((await api(server, 'GET /admin/users', token)).status, 200);
  await removeOldSecret(server, client as Client);
  t.is((await api(server, 'GET /admin/users', token)).status, 401);
});
