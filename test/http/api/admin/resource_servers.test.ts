// Resource servers through the admin API: register, read, change, remove, and what that does to tokens.
import { enterAsAdmin, post, read, readPages, trailOf } from '../../../helpers/admin.ts';
import { makeClient } from '../../../helpers/builders.ts';
import { type Answer, assertRefused, granted, type Json } from '../../../helpers/client.ts';
import { api, isActive, login, refresh, signIn, tokensOf } from '../../../helpers/oauth.ts';
import { makeResourceServer } from '../../../helpers/resources.ts';
import { type TestServer, testOnOwnServers, testOnServers } from '../../../helpers/server.ts';

const malformed = { status: 400, error: 'invalid_request' };
const notFound = { status: 404, error: 'not_found' };

function pathOf(identifier: string): string {
  return `/admin/resource-servers/${encodeURIComponent(identifier)}`;
}

async function change(
  server: TestServer,
  admin: { token: string },
  identifier: string,
  json: Json,
): Promise<Answer> {
  return await api(server, `PATCH ${pathOf(identifier)}`, admin.token, { json });
}

/** Identifiers that are difficult to put into a path. */
const awkward = [
  'https://plain.example/',
  'https://odd.example/a/../b%2Fc?x=1&y=%C3%BC',
  'https://odd.example/ümlaut/%00',
  'urn:example:orders',
  'https://odd.example/a;b=c+d',
];

testOnServers(
  'a resource server is registered, read, changed and removed by its identifier',
  async (t, server) => {
    const admin = await enterAsAdmin(server);
    for (const identifier of awkward) {
      const made = await post(server, admin, '/resource-servers', { identifier, scope: 'a:read' });
      t.is(made.status, 201, made.text);
      const { created_at, updated_at, ...rest } = made.body;
      const plain = {
        identifier,
        name: null,
        scope: 'a:read',
        access_token_format: 'jwt',
        access_token_typ: 'at+jwt',
        access_token_ttl: null,
        claims: null,
      };
      t.deepEqual(rest, plain);
      const line = pathOf(identifier);
      t.deepEqual(granted(await api(server, `GET ${line}`, admin.token)), made.body);
      const full = {
        name: 'A',
        scope: '',
        access_token_format: 'opaque',
        access_token_typ: 'JWT',
        access_token_ttl: 60,
      };
      t.like(granted(await change(server, admin, identifier, full)), { identifier, ...full });
      const back = { ...plain, identifier: undefined };
      t.like(granted(await change(server, admin, identifier, back)), plain);
      const { items } = await readPages(server, admin, '/resource-servers?limit=2', 'resource_servers');
      t.deepEqual(items.filter((one) => one.identifier === identifier).length, 1);
      t.is(new Set(items.map((one) => one.identifier)).size, items.length);
      t.is((await api(server, `DELETE ${line}`, admin.token)).status, 204);
      for (const method of ['GET', 'DELETE', 'PATCH']) {
        const body = method === 'PATCH' ? { json: {} } : {};
        assertRefused(t, await api(server, `${method} ${line}`, admin.token, body), notFound, method);
      }
    }
    for (const none of ['%00', '%FF', 'nobody', 'https%3A%2F%2Fplain.example']) {
      assertRefused(t, await api(server, `GET /admin/resource-servers/${none}`, admin.token), notFound, none);
      assertRefused(
        t,
        await api(server, `DELETE /admin/resource-servers/${none}`, admin.token),
        notFound,
        none,
      );
    }
  },
);

testOnServers('every change of a resource server is in the audit trail', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const identifier = `https://${admin.user.username}.example/`;
  await post(server, admin, '/resource-servers', { identifier });
  await change(server, admin, identifier, { name: 'Orders', scope: 'orders:read' });
  await api(server, `DELETE ${pathOf(identifier)}`, admin.token);
  const trail: Json[] = [];
  for (const what of ['created', 'updated', 'deleted']) {
    const all = await trailOf(server, admin, `type=resource_server_${what}`);
    trail.push(...all.filter((event) => event.actor_id === admin.user.id));
  }
  t.deepEqual(
    trail.map(({ type, detail, actor, ip }) => ({ type, detail, actor, ip })),
    [
      { type: 'resource_server_created', detail: { identifier } },
      { type: 'resource_server_updated', detail: { identifier, changed: ['name', 'scope'] } },
      { type: 'resource_server_deleted', detail: { identifier } },
    ].map((event) => ({ ...event, actor: 'admin', ip: '127.0.0.1' })),
  );
});

testOnServers('an invalid resource server is refused, and nothing is stored', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const { identifier } = await makeResourceServer(server);
  const before = granted(await api(server, `GET ${pathOf(identifier)}`, admin.token));
  const reserved = ['openid', 'profile', 'email', 'offline_access', 'account', 'admin', 'orders:read admin'];
  const wrong: Json[] = [
    ...reserved.map((scope) => ({ scope })),
    { scope: 'two  spaces' },
    { scope: 'quo"te' },
    { access_token_format: 'paseto' },
    { access_token_typ: 'jwt' },
    { access_token_ttl: 0 },
    { access_token_ttl: 86_401 },
    { name: '' },
    { name: 'nul\0' },
    { created_at: new Date().toISOString() },
    { nonsense: true },
  ];
  for (const one of wrong) {
    const made = await post(server, admin, '/resource-servers', {
      identifier: 'https://wrong.example/',
      ...one,
    });
    assertRefused(t, made, malformed, JSON.stringify(one));
    assertRefused(t, await change(server, admin, identifier, one), malformed, JSON.stringify(one));
  }
  for (const none of ['', 'orders', '/orders', 'https://orders.example/#a', 'https://orders.example/\0', 7]) {
    const made = await post(server, admin, '/resource-servers', { identifier: none });
    assertRefused(t, made, malformed, String(none));
  }
  assertRefused(
    t,
    await change(server, admin, identifier, { identifier: 'https://other.example/' }),
    malformed,
  );
  t.deepEqual(granted(await api(server, `GET ${pathOf(identifier)}`, admin.token)), before);
  assertRefused(t, await api(server, `GET ${pathOf('https://wrong.example/')}`, admin.token), notFound);
  const twice = await post(server, admin, '/resource-servers', { identifier });
  assertRefused(t, twice, { status: 409, error: 'resource_server_exists' });
  assertRefused(
    t,
    await api(server, 'GET /admin/resource-servers?cursor=Ilx1MDAwMCI', admin.token),
    malformed,
  );
});

testOnServers('the next token follows a changed resource server', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const { identifier, form } = await makeResourceServer(server);
  const { client, user, tokens } = await signIn(server, { form });
  t.deepEqual([tokens.access_token.split('.').length, tokens.expires_in], [3, 900]);
  const wanted = { access_token_format: 'opaque', access_token_ttl: 60 };
  t.is((await change(server, admin, identifier, wanted)).status, 200);
  const next = tokensOf(await refresh(server, client, tokens.refresh_token));
  t.deepEqual([next.access_token.split('.').length, next.expires_in], [1, 60]);
  t.is(await isActive(server, tokens.access_token), true, 'the previous token stays valid');
  t.is(await isActive(server, next.access_token), true);
  t.is((await change(server, admin, identifier, { scope: 'orders:write' })).status, 200);
  const refused = { status: 400, error: 'invalid_scope' };
  assertRefused(t, await login(server, user, client, form), refused);
});

testOnServers(
  'after its resource server is removed a session gets no new tokens and keeps the existing ones',
  async (t, server) => {
    const admin = await enterAsAdmin(server);
    const { identifier, form } = await makeResourceServer(server);
    const { client, user, tokens } = await signIn(server, { form });
    t.is((await api(server, `DELETE ${pathOf(identifier)}`, admin.token)).status, 204);
    const refused = { status: 400, error: 'invalid_target' };
    assertRefused(t, await login(server, user, client, form), refused);
    assertRefused(t, await refresh(server, client, tokens.refresh_token), refused);
    t.is(await isActive(server, tokens.access_token), true);
    t.is((await post(server, admin, '/resource-servers', { identifier, scope: form.scope })).status, 201);
    const next = await refresh(server, client, tokens.refresh_token);
    t.is(next.status, 200, 'the refusal did not use up the token');
  },
);

testOnOwnServers('no resource server can take the identifier of our own API', {}, async (t, server) => {
  const admin = await enterAsAdmin(server);
  const own = `${server.issuer}/api`;
  const made = await post(server, admin, '/resource-servers', { identifier: own, scope: 'orders:read' });
  t.is(made.status, 201);
  const client = await makeClient(server.db, { scope: 'openid orders:read' });
  const { tokens } = await signIn(server, { client, form: { scope: 'orders:read' } });
  const noScope = { status: 403, error: 'insufficient_scope' };
  assertRefused(t, await api(server, 'GET /me', tokens.access_token), noScope);
  assertRefused(t, await api(server, 'GET /admin/users', tokens.access_token), noScope);
  t.like(await read(server, admin, `/resource-servers/${encodeURIComponent(own)}`), { scope: 'orders:read' });
  t.is((await api(server, `DELETE ${pathOf(own)}`, admin.token)).status, 204);
});
