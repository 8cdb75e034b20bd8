// What a client may do that acts alone: nothing but what was written down for it.

import { assertRefused, type Form } from '../helpers/client.ts';
import { token as askToken, authOf, introspect, tokensOf } from '../helpers/oauth.ts';
import { makeConfidentialClient, makeResourceServer } from '../helpers/resources.ts';
import { type TestServer, testOnServers } from '../helpers/server.ts';

type Client = Awaited<ReturnType<typeof makeConfidentialClient>>;

const alone = (server: TestServer, client: Client, form: Form = {}) =>
  askToken(server, { grant_type: 'client_credentials', ...authOf(client), ...form });

testOnServers('a client alone gets no scope that was not written down for it', async (t, server) => {
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
      t.is(scope, undefined as never, 'asking for nothing gives nothing');
      t.is((await introspect(server, access_token)).scope, undefined);
    }
    assertRefused(t, await alone(server, client, { scope: 'account' }), invalid);
    t.is(tokensOf(await alone(server, client)).scope, undefined as never);
  }
});

testOnServers('a client alone gets what was written down, and no more', async (t, server) => {
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

testOnServers('a client without grants introspects and gets no token', async (t, server) => {
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
