// Who may call the admin routes: every route is called by callers who are not administrators.

import type { ExecutionContext } from 'ava';
import { countStatistics } from '../../../../src/core/statistics/count_statistics.ts';
import { json } from '../../../../src/core/store/columns.ts';
import type { Route } from '../../../../src/http/api/routes.ts';
import { newId } from '../../../../src/lib/ids.ts';
import {
  adminRoutes,
  adminScope,
  clientToken,
  enterAsAdmin,
  enterAsClient,
  post,
} from '../../../helpers/admin.ts';
import { makeClient, makeUser } from '../../../helpers/builders.ts';
import { type Answer, assertRefused, granted, type Refusal } from '../../../helpers/client.ts';
import { api, login, refresh, signIn, token, tokensOf } from '../../../helpers/oauth.ts';
import { makeConfidentialClient, makeResourceServer } from '../../../helpers/resources.ts';
import { type TestServer, testOnServers } from '../../../helpers/server.ts';

const noToken = { status: 401, error: 'invalid_token' };
const noScope = { status: 403, error: 'insufficient_scope' };
const noSuchScope = { status: 400, error: 'invalid_scope' };

/** Calls a route with ids that do not exist, so that an admitted call changes nothing. */
async function call(
  server: TestServer,
  { method, path, body }: Route,
  access_token?: string,
): Promise<Answer> {
  const line = `${method.toUpperCase()} ${path.replaceAll(/:\w+/g, newId())}`;
  return await api(server, line, access_token, body ? { json: { nonsense: true } } : {});
}

async function assertAllRefused(
  t: ExecutionContext,
  server: TestServer,
  access_token: string | undefined,
  expected: Refusal,
): Promise<void> {
  for (const row of adminRoutes) {
    const answer = await call(server, row, access_token);
    assertRefused(t, answer, expected, `${row.method} ${row.path}`);
    const said = answer.headers['www-authenticate'] ?? '';
    t.is(said.includes('error="insufficient_scope", scope="admin"'), expected.status === 403, row.path);
  }
}

/** The answer of each route to an admitted caller who sends nonsense. */
function welcome({ body, errors, path }: Route): number {
  const isMissing = path.includes(':') && errors.some((name) => name.endsWith('_not_found'));
  return body ? 400 : isMissing ? 404 : 200;
}

async function assertAllOpen(t: ExecutionContext, server: TestServer, access_token: string): Promise<void> {
  const answers: Record<string, number> = {};
  const expected: Record<string, number> = {};
  for (const row of adminRoutes) {
    answers[`${row.method} ${row.path}`] = (await call(server, row, access_token)).status;
    expected[`${row.method} ${row.path}`] = welcome(row);
  }
  t.deepEqual(answers, expected);
}

testOnServers('without a valid token every admin route answers 401', async (t, server) => {
  t.true(adminRoutes.length >= 20);
  const admin = await enterAsAdmin(server);
  await assertAllRefused(t, server, undefined, noToken);
  await assertAllRefused(t, server, 'nonsense', noToken);
  await assertAllRefused(t, server, admin.tokens.refresh_token, noToken);
  await assertAllRefused(t, server, String(admin.tokens.id_token), noToken);
});

testOnServers('a user without the role admin cannot call admin routes', async (t, server) => {
  const { tokens, user } = await signIn(server);
  await assertAllRefused(t, server, tokens.access_token, noScope);
  const client = await makeClient(server.db, { scope: adminScope });
  assertRefused(t, await login(server, user, client, { scope: adminScope }), noSuchScope);
  const plain = await signIn(server, { user, client });
  await assertAllRefused(t, server, plain.tokens.access_token, noScope);
});

testOnServers('an admin’s token without the scope admin cannot call admin routes', async (t, server) => {
  const user = await makeUser(server.db, { roles: ['admin'] });
  const client = await makeClient(server.db, { scope: adminScope });
  const { tokens } = await signIn(server, { user, client });
  t.is(tokens.scope, 'openid account', 'admin is not given unasked');
  await assertAllRefused(t, server, tokens.access_token, noScope);
});

testOnServers('a client without the scope admin cannot call admin routes', async (t, server) => {
  const { client, token: own } = await enterAsClient(server, 'account');
  await assertAllRefused(t, server, own, noScope);
  const asked = { grant_type: 'client_credentials', ...client, scope: 'admin' };
  assertRefused(t, await token(server, asked), noSuchScope);
});

testOnServers('an admin user and an admin client can call every admin route', async (t, server) => {
  // Without a count there are no statistics.
  await countStatistics(server.db, { url: server.databaseUrl });
  await assertAllOpen(t, server, (await enterAsAdmin(server)).token);
  await assertAllOpen(t, server, (await enterAsClient(server, 'admin')).token);
});

testOnServers(
  'a token for another API is refused by ours, whatever the client’s scopes',
  async (t, server) => {
    const { identifier } = await makeResourceServer(server);
    const metadata = { scope: 'admin orders:read', grant_types: ['client_credentials'] };
    const client = await makeConfidentialClient(server, metadata);
    const elsewhere = await clientToken(server, client, { resource: identifier, scope: 'orders:read' });
    assertRefused(t, await api(server, 'GET /admin/users', elsewhere), noToken);
    const asked = { grant_type: 'client_credentials', ...client, resource: identifier, scope: 'admin' };
    assertRefused(t, await token(server, asked), noSuchScope);
  },
);

testOnServers('an admin who loses the role loses access at once', async (t, server) => {
  const [admin, demoted] = [await enterAsAdmin(server), await enterAsAdmin(server)];
  const change = { json: { roles: ['customer'] } };
  const { status } = await api(server, `PATCH /admin/users/${demoted.user.id}`, admin.token, change);
  t.is(status, 200);
  assertRefused(t, await api(server, 'GET /admin/users', demoted.token), noToken);
  const next = tokensOf(await refresh(server, demoted.client, demoted.tokens.refresh_token));
  t.false(next.scope.includes('admin'));
  assertRefused(t, await api(server, 'GET /admin/users', next.access_token), noScope);
  t.is((await api(server, 'GET /me', next.access_token)).status, 200, 'still a user');
});

testOnServers(
  'the role is read from the database, also after a change outside the API',
  async (t, server) => {
    const { user, token: held } = await enterAsAdmin(server);
    await server
      .db('users')
      .where({ id: user.id })
      .update({ roles: json(['admins']) });
    assertRefused(t, await api(server, 'GET /admin/users', held), noScope);
  },
);

testOnServers(
  'an admin client that loses its rights loses access with its existing token',
  async (t, server) => {
    const admin = await enterAsAdmin(server);
    for (const change of [{ scope: 'account' }, { scope: null }, { first_party: false }]) {
      const { client, token: held } = await enterAsClient(server, 'admin account');
      const path = `/admin/clients/${client.client_id}`;
      t.is((await api(server, `PATCH ${path}`, admin.token, { json: change })).status, 200);
      assertRefused(t, await api(server, 'GET /admin/users', held), noToken, JSON.stringify(change));
    }
    const { client, token: held } = await enterAsClient(server, 'admin');
    t.is((await api(server, `DELETE /admin/clients/${client.client_id}`, admin.token)).status, 204);
    assertRefused(t, await api(server, 'GET /admin/users', held), noToken);
  },
);

testOnServers('an admin loses access when the client loses the scope admin', async (t, server) => {
  const admin = await enterAsAdmin(server);
  for (const change of [{ scope: 'openid account' }, { first_party: false }]) {
    const other = await enterAsAdmin(server);
    const path = `/admin/clients/${other.client.client_id}`;
    const { status } = await api(server, `PATCH ${path}`, admin.token, { json: change });
    t.is(status, 200);
    assertRefused(t, await api(server, 'GET /admin/users', other.token), noToken, JSON.stringify(change));
  }
});

testOnServers('a third-party client never gets a scope of our own API', async (t, server) => {
  const { identifier } = await makeResourceServer(server);
  const client = await makeConfidentialClient(server, {
    first_party: false,
    scope: 'admin account orders:read',
    grant_types: ['client_credentials'],
  });
  const asked = { grant_type: 'client_credentials', ...client };
  for (const scope of ['admin', 'account', 'account admin']) {
    assertRefused(t, await token(server, { ...asked, scope }), noSuchScope, scope);
    assertRefused(t, await token(server, { ...asked, scope, resource: identifier }), noSuchScope, scope);
  }
  const { scope, access_token } = granted(await token(server, asked));
  t.is(scope, undefined);
  assertRefused(t, await api(server, 'GET /me', String(access_token)), noScope);
  t.is(
    tokensOf(await token(server, { ...asked, scope: 'orders:read', resource: identifier })).scope,
    'orders:read',
  );
});

testOnServers('a public client’s own token never makes an administrator', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const metadata = { first_party: true, scope: 'admin', grant_types: ['client_credentials'] };
  const refused = { status: 400, error: 'invalid_client_metadata' };
  const open = { ...metadata, client_id: newId(), token_endpoint_auth_method: 'none' };
  assertRefused(t, await post(server, admin, '/clients', open), refused);
  const { client_id } = await makeConfidentialClient(server, {
    scope: 'admin',
    grant_types: ['client_credentials'],
  });
  const change = { json: { token_endpoint_auth_method: 'none' } };
  assertRefused(t, await api(server, `PATCH /admin/clients/${client_id}`, admin.token, change), refused);
  for (const one of [open.client_id, client_id]) {
    const { status, body } = await token(server, { grant_type: 'client_credentials', client_id: one });
    t.deepEqual([status, body.error, body.access_token], [401, 'invalid_client', undefined]);
  }
});
