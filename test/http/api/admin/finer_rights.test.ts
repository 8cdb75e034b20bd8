// The finer rights of administration: which right opens which route, by permission, role and scope; and what nobody may do to whom.
import type { ExecutionContext } from 'ava';
import { adminRights } from '../../../../src/core/clients/own_scopes.ts';
import type { Route } from '../../../../src/http/api/routes.ts';
import { newId } from '../../../../src/lib/ids.ts';
import {
  type Admin,
  adminRoutes,
  clientToken,
  enterAsAdmin,
  enterAsClient,
  post,
} from '../../../helpers/admin.ts';
import { makeClient, makeUser } from '../../../helpers/builders.ts';
import { assertRefused, granted } from '../../../helpers/client.ts';
import { api, login, signIn, token } from '../../../helpers/oauth.ts';
import { enterWith } from '../../../helpers/proofs.ts';
import { makeConfidentialClient } from '../../../helpers/resources.ts';
import { type TestServer, testOnServers } from '../../../helpers/server.ts';

const noScope = { status: 403, error: 'insufficient_scope' };
const noRight = { status: 403, error: 'right_missing' };
const notYourself = { status: 409, error: 'not_yourself' };
const lineOf = ({ method, path }: Route) => `${method.toUpperCase()} ${path.replaceAll(/:\w+/g, newId())}`;

// Nonsense in the body: an admitted call changes nothing.
async function assertOpen(t: ExecutionContext, server: TestServer, token: string, rights: readonly string[]) {
  for (const row of adminRoutes) {
    const { status, body } = await api(
      server,
      lineOf(row),
      token,
      row.body ? { json: { nonsense: true } } : {},
    );
    const isOpen =
      rights.includes('admin') ||
      rights.includes(String(row.right)) ||
      (row.method === 'get' && rights.includes('admin:read'));
    t.is(body?.error === 'insufficient_scope' && status === 403, !isOpen, `${rights} at ${lineOf(row)}`);
  }
}

testOnServers(
  'each right opens its routes and no other, whichever of role and scope names it',
  async (t, server) => {
    for (const right of adminRights) {
      await assertOpen(t, server, (await enterWith(server, { permissions: [right] })).token, [right]);
      await assertOpen(t, server, (await enterWith(server, { roles: ['admin'], scope: right })).token, [
        right,
      ]);
      await assertOpen(t, server, (await enterAsClient(server, right)).token, [right]);
    }
  },
);

testOnServers(
  'every change needs a right of its topic, and admin:read changes nothing',
  async (t) => {
    const table = adminRoutes.map(({ method, path, right }) => `${method} ${path}: ${right}`);
    t.is(new Set(table).size, adminRoutes.length);
    t.deepEqual(
      adminRoutes.filter(({ method, right }) => method !== 'get' && right === 'admin:read'),
      [],
    );
    t.true(adminRoutes.every(({ path, right }) => path.startsWith('/admin/') && right !== null));
  },
  ['sqlite'],
);

testOnServers('a user or client without a right gets no scope of this name', async (t, server) => {
  const user = await makeUser(server.db, { permissions: ['admin:read', 'admin'] });
  const client = await makeClient(server.db, { scope: `account admin ${adminRights.join(' ')}` });
  for (const scope of ['admin:users', 'admin:sessions', 'admin:config']) {
    assertRefused(
      t,
      await login(server, user, client, { scope }),
      { status: 400, error: 'invalid_scope' },
      scope,
    );
  }
  t.is(granted(await login(server, user, client, { scope: 'admin:read' })).scope, 'admin:read');
  t.is(granted(await login(server, user, client)).scope, 'account', 'never unasked');
  const narrow = await makeClient(server.db, { scope: 'account admin:read' });
  assertRefused(t, await login(server, user, narrow, { scope: 'admin' }), {
    status: 400,
    error: 'invalid_scope',
  });
  const metadata = { first_party: false, scope: 'admin:read', grant_types: ['client_credentials'] };
  const other = { grant_type: 'client_credentials', ...(await makeConfidentialClient(server, metadata)) };
  assertRefused(t, await token(server, { ...other, scope: 'admin:read' }), {
    status: 400,
    error: 'invalid_scope',
  });
});

testOnServers('a right that is taken away is gone at once', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const reader = await enterWith(server, { permissions: ['admin:read'], scope: 'admin:read' });
  granted(await api(server, 'GET /admin/events', reader.token));
  granted(
    await api(server, `PATCH /admin/users/${reader.user.id}`, admin.token, { json: { permissions: [] } }),
  );
  t.is((await api(server, 'GET /admin/events', reader.token)).status, 401);
  const next = await signIn(server, { user: reader.user, client: reader.client, form: { scope: 'account' } });
  assertRefused(t, await api(server, 'GET /admin/events', next.tokens.access_token), noScope);
});

/** Everything that administrators can do to a user. */
async function assertUntouchable(
  t: ExecutionContext,
  server: TestServer,
  by: { token: string },
  target: Admin,
) {
  const path = `/users/${target.user.id}`;
  const body = { reason: 'take-over' };
  for (const verb of ['ban', 'unban', 'disable', 'enable', 'delete', 'force-logout'])
    assertRefused(t, await post(server, by, `${path}/${verb}`, body), noRight, verb);
  for (const json of [
    { roles: [] },
    { email: 'thief@example.com' },
    { username: newId() },
    { permissions: [] },
  ])
    assertRefused(
      t,
      await api(server, `PATCH /admin${path}`, by.token, { json }),
      noRight,
      JSON.stringify(json),
    );
  assertRefused(
    t,
    await api(server, `DELETE /admin/sessions/${target.tokens.session_id}`, by.token),
    noRight,
  );
}

testOnServers('nobody acts on a user who holds a right that the actor lacks', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const config = await enterWith(server, { permissions: ['admin:config'] });
  const unknown = await enterWith(server, { permissions: ['admin:users', 'admin:of-a-later-version'] });
  const support = await enterWith(server, { permissions: ['admin:users', 'admin:sessions'] });
  const machine = await enterAsClient(server, 'admin:users admin:sessions');
  // The token lacks what its user holds.
  const narrow = await enterWith(server, { roles: ['admin'], scope: 'admin:users admin:sessions' });
  for (const by of [support, machine, narrow])
    for (const target of [admin, config, unknown]) await assertUntouchable(t, server, by, target);
  const before = await server.db('users').where({ id: admin.user.id }).first();
  t.like(before, { status: 'active', username: admin.user.username });
  const { id } = await makeUser(server.db, {
    roles: ['editor'],
    permissions: ['posts:write', 'admin:users'],
  });
  granted(await post(server, support, `/users/${id}/ban`, { reason: 'same rights' }));
});

testOnServers('nobody gives a right or a foreign tenant that the actor lacks', async (t, server) => {
  const support = await enterWith(server, { permissions: ['admin:users', 'admin:read'], tenant_id: 'acme' });
  const { id } = await makeUser(server.db, { permissions: ['posts:write'] });
  const { id: foreign } = await makeUser(server.db, { tenant_id: 'other' });
  const tooMuch = [
    { roles: ['admin'] },
    { permissions: ['admin:config'] },
    { permissions: ['admin:read', 'admin:unknown'] },
    { tenant_id: 'other' },
  ];
  for (const json of tooMuch) {
    const note = JSON.stringify(json);
    assertRefused(t, await api(server, `PATCH /admin/users/${id}`, support.token, { json }), noRight, note);
    const created = await post(server, support, '/users', { username: newId(), ...json });
    assertRefused(t, created, noRight, note);
    const own = await api(server, `PATCH /admin/users/${support.user.id}`, support.token, { json });
    t.true([403, 409].includes(own.status), note);
  }
  const leave = await api(server, `PATCH /admin/users/${foreign}`, support.token, {
    json: { tenant_id: null },
  });
  assertRefused(t, leave, noRight);
  const given = { roles: ['editor'], permissions: ['admin:read', 'posts:write'], tenant_id: 'acme' };
  t.like(granted(await api(server, `PATCH /admin/users/${id}`, support.token, { json: given })), given);
  t.is((await post(server, support, '/users', { username: newId(), ...given })).status, 201);
  const machine = await enterAsClient(server, 'admin:users');
  assertRefused(t, await post(server, machine, '/users', { username: newId(), tenant_id: 'acme' }), noRight);
});

testOnServers('nobody gives himself an address as administrator', async (t, server) => {
  const user = await makeUser(server.db, { roles: ['admin'], email: 'own-admin@x.example' });
  const admin = await enterAsAdmin(server, { user });
  const own = (json: object) => api(server, `PATCH /admin/users/${user.id}`, admin.token, { json });
  const vouched = { email_verified: true, reason: 'it is mine' };
  for (const json of [
    { email: 'thief@x.example', ...vouched },
    { email: 'thief@x.example' },
    { email: null },
    vouched,
  ])
    assertRefused(t, await own(json), notYourself, JSON.stringify(json));
  t.is((await own({ email: 'Own-Admin@x.example' })).status, 200, 'another spelling of the same one');
  const machine = await enterAsClient(server, 'admin');
  const json = { email: 'new-admin@x.example', ...vouched };
  t.is((await api(server, `PATCH /admin/users/${user.id}`, machine.token, { json })).status, 200);
});

testOnServers('nobody takes a right of administration from himself', async (t, server) => {
  const [admin] = [await enterAsAdmin(server), await enterAsAdmin(server)];
  const support = await enterWith(server, { permissions: ['admin:users', 'admin:read'] });
  const own = async (by: Admin, json: object) =>
    await api(server, `PATCH /admin/users/${by.user.id}`, by.token, { json });
  assertRefused(t, await own(admin, { roles: ['editor'] }), notYourself);
  assertRefused(t, await own(support, { permissions: ['admin:users'] }), notYourself);
  t.like(granted(await own(support, { permissions: ['admin:read', 'admin:users', 'vip'] })), {
    token_version: 1,
  });
  t.like(granted(await own(admin, { roles: ['admin', 'editor'] })), { roles: ['admin', 'editor'] });
});

testOnServers('nobody acts on, or makes, a client with a right that the actor lacks', async (t, server) => {
  const config = await enterWith(server, { permissions: ['admin:config', 'admin:read'] });
  const machine = await enterAsClient(server, 'admin:config');
  const strong = await makeConfidentialClient(server, {
    scope: 'admin',
    grant_types: ['client_credentials'],
  });
  const dormant = await makeConfidentialClient(server, { scope: 'admin', first_party: false });
  const weak = await makeConfidentialClient(server, { scope: 'account admin:config' });
  const make = { first_party: true, grant_types: ['client_credentials'] };
  for (const by of [config, machine]) {
    const change = async (client_id: string, json: object) =>
      await api(server, `PATCH /admin/clients/${client_id}`, by.token, { json });
    for (const scope of ['admin', 'account admin:users'])
      assertRefused(t, await post(server, by, '/clients', { ...make, scope }), noRight, scope);
    assertRefused(t, await change(strong.client_id, { client_name: 'x' }), noRight);
    assertRefused(t, await change(strong.client_id, { scope: 'account' }), noRight);
    assertRefused(t, await change(dormant.client_id, { first_party: true }), noRight);
    assertRefused(t, await change(weak.client_id, { scope: 'admin:sessions' }), noRight);
    assertRefused(t, await post(server, by, `/clients/${strong.client_id}/secrets`), noRight);
    assertRefused(t, await api(server, `DELETE /admin/clients/${strong.client_id}`, by.token), noRight);
    granted(await change(weak.client_id, { scope: 'admin:config' }));
    t.is((await post(server, by, '/clients', { ...make, scope: 'admin:config' })).status, 201);
  }
  t.truthy(await clientToken(server, strong, { scope: 'admin' }), 'still there, with its secret');
});
