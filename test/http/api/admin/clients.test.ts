// Clients through the admin API: register, read, change, remove, and what is refused before it is stored.
import { saveRegisteredClient } from '../../../../src/core/clients/registered_clients.ts';
import { newId } from '../../../../src/lib/ids.ts';
import {
  type Admin,
  clientToken,
  enterAsAdmin,
  post,
  read,
  readPages,
  trailOf,
} from '../../../helpers/admin.ts';
import { makeClient, makeUser } from '../../../helpers/builders.ts';
import { type Answer, assertRefused, granted, type Json, send } from '../../../helpers/client.ts';
import {
  api,
  type ClientAuth,
  introspect,
  isActive,
  login,
  refresh,
  signIn,
  tokensOf,
} from '../../../helpers/oauth.ts';
import { makeConfidentialClient, makeResourceServer } from '../../../helpers/resources.ts';
import { type TestServer, testOnServers } from '../../../helpers/server.ts';

const malformed = { status: 400, error: 'invalid_request' };
const invalid = { status: 400, error: 'invalid_client_metadata' };
const notFound = { status: 404, error: 'not_found' };

async function change(server: TestServer, admin: Admin, client_id: string, json: unknown): Promise<Answer> {
  return await api(server, `PATCH /admin/clients/${encodeURIComponent(client_id)}`, admin.token, { json });
}

/** A client's description without the members that differ between clients. */
function timeless({
  client_id: _,
  created_at: __,
  updated_at: ___,
  client_secrets: ____,
  client_secret: _____,
  ...rest
}: Json): Json {
  return rest;
}

testOnServers('a client is registered, read, changed and removed', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const given = {
    client_id: newId(),
    client_name: 'Back office',
    first_party: true,
    token_endpoint_auth_method: 'client_secret_post',
    scope: 'openid account',
    access_token_ttl: 60,
    refresh_token_retry_window: 5,
    contacts: ['ops@example.test'],
  };
  const path = `/clients/${given.client_id}`;
  const made = await post(server, admin, '/clients', given);
  t.is(made.status, 201, made.text);
  const { client_secret, created_at, updated_at, client_secrets, ...rest } = made.body;
  const defaults = {
    grant_types: ['password', 'refresh_token'],
    redirect_uris: [],
    response_types: [],
    rotation_profile: 'web',
    registered_by: 'admin',
  };
  t.deepEqual(rest, { ...given, ...defaults });
  t.regex(String(client_secret), /^[\w-]{43}$/);
  const shown = { ...rest, created_at, updated_at, client_secrets };
  t.deepEqual(await read(server, admin, path), shown);
  const { items } = await readPages(server, admin, '/clients?limit=2', 'clients');
  t.deepEqual(
    items.filter((one) => one.client_id === given.client_id),
    [shown],
  );
  t.is(new Set(items.map((one) => one.client_id)).size, items.length);
  const changed = granted(
    await change(server, admin, given.client_id, { client_name: 'Office', access_token_ttl: 30 }),
  );
  t.deepEqual(timeless(changed), timeless({ ...rest, client_name: 'Office', access_token_ttl: 30 }));
  t.deepEqual(changed.client_secrets, client_secrets);
  const client = { client_id: given.client_id, client_secret: String(client_secret) };
  const { tokens } = await signIn(server, { client });
  t.is(tokens.expires_in, 30, 'the change is in force at once');
  t.is((await api(server, `DELETE /admin${path}`, admin.token)).status, 204);
  for (const line of [`GET /admin${path}`, `DELETE /admin${path}`, `PATCH /admin${path}`]) {
    const body = line.startsWith('PATCH') ? { json: {} } : {};
    assertRefused(t, await api(server, line, admin.token, body), notFound, line);
  }
  const trail = await trailOf(server, admin, `client_id=${given.client_id}`);
  const acts = trail.filter((event) => String(event.type).startsWith('client_'));
  t.deepEqual(
    acts.map(({ type, actor_id, detail }) => ({ type, actor_id, detail })),
    [
      { type: 'client_created', detail: null },
      { type: 'client_updated', detail: { changed: ['client_name', 'access_token_ttl'] } },
      { type: 'client_deleted', detail: null },
    ].map((event) => ({ ...event, actor_id: admin.user.id })),
  );
});

/** Invalid metadata, and the error for it. */
const wrongMetadata: [Json, typeof invalid][] = [
  [{ nonsense: true }, malformed],
  [{ secrets: [] }, malformed],
  [{ client_secrets: [] }, malformed],
  [{ created_at: new Date().toISOString() }, malformed],
  [{ registered_by: 'itself' }, malformed],
  [{ first_party: 'yes' }, malformed],
  [{ token_endpoint_auth_method: 'client_secret_jwt' }, malformed],
  [{ scope: 'two  spaces' }, malformed],
  [{ rotation_profile: 'lenient' }, malformed],
  [{ refresh_token_retry_window: -1 }, malformed],
  [{ access_token_ttl: 0.5 }, malformed],
  [{ resource_server: 'nowhere' }, malformed],
  [{ allowed_origins: ['https://app.example/path'] }, malformed],
  [{ client_name: 'nul\0' }, malformed],
  [{ logo_uri: 'not a url' }, malformed],
  [{ grant_types: ['telepathy'] }, invalid],
  [{ response_types: ['code'], grant_types: ['authorization_code'], redirect_uris: [] }, invalid],
  [{ redirect_uris: ['https://app.example/#fragment'] }, invalid],
  [{ redirect_uris: ['nonsense'] }, invalid],
  [{ redirect_uris: ['javascript:alert(1)'] }, invalid],
  [{ jwks: { keys: [] }, jwks_uri: 'https://app.example/jwks' }, invalid],
  [{ jwks: { keys: [{ kty: 'oct', k: 'AAAA' }] } }, invalid],
  [{ token_endpoint_auth_method: 'private_key_jwt' }, invalid],
  [{ token_endpoint_auth_method: 'none', grant_types: ['client_credentials'] }, invalid],
];

testOnServers('invalid metadata is refused, and nothing is stored', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const { client_id } = await makeClient(server.db, { token_endpoint_auth_method: 'client_secret_basic' });
  const before = await read(server, admin, `/clients/${client_id}`);
  for (const [wrong, expected] of wrongMetadata) {
    const id = newId();
    const made = await post(server, admin, '/clients', { client_id: id, first_party: true, ...wrong });
    assertRefused(t, made, expected, JSON.stringify(wrong));
    assertRefused(t, await api(server, `GET /admin/clients/${id}`, admin.token), notFound);
    assertRefused(t, await change(server, admin, client_id, wrong), expected, JSON.stringify(wrong));
  }
  for (const mine of [{ client_id: newId() }, { client_secret: 'x'.repeat(40) }, { first_party: null }]) {
    assertRefused(t, await change(server, admin, client_id, mine), malformed, JSON.stringify(mine));
  }
  for (const id of ['', 'two words', 'ümlaut', 'x'.repeat(201), 'nul\0']) {
    assertRefused(t, await post(server, admin, '/clients', { client_id: id }), malformed, id);
  }
  t.deepEqual(await read(server, admin, `/clients/${client_id}`), before);
  t.deepEqual(await trailOf(server, admin, `client_id=${client_id}`), []);
  const twice = await post(server, admin, '/clients', { client_id, first_party: true });
  assertRefused(t, twice, { status: 409, error: 'client_exists' });
  for (const wrong of ['cursor=Ilx1MDAwMCI', 'cursor=NQ', 'limit=0', 'x=y']) {
    assertRefused(t, await api(server, `GET /admin/clients?${wrong}`, admin.token), malformed, wrong);
  }
});

testOnServers('a client_id may contain any visible character', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const client_id = 'https://odd.example/%2e%2e/a?b=c&d#e;"\'\\';
  t.is((await post(server, admin, '/clients', { client_id, first_party: true })).status, 201);
  const path = `/clients/${encodeURIComponent(client_id)}`;
  t.is((await read(server, admin, path)).client_id, client_id);
  t.is((await change(server, admin, client_id, { client_name: 'Odd' })).body.client_name, 'Odd');
  t.is((await api(server, `DELETE /admin${path}`, admin.token)).status, 204);
  for (const none of ['%00', '%FF', 'two%20words', '%']) {
    assertRefused(t, await api(server, `GET /admin/clients/${none}`, admin.token), notFound, none);
    assertRefused(t, await api(server, `DELETE /admin/clients/${none}`, admin.token), notFound, none);
  }
});

testOnServers('null resets a member to its default', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const plain = timeless((await post(server, admin, '/clients', { first_party: true })).body);
  const special = {
    client_name: 'Special',
    application_type: 'native',
    grant_types: ['refresh_token', 'password', 'client_credentials'],
    token_endpoint_auth_method: 'client_secret_post',
    contacts: ['ops@example.test'],
    policy_uri: 'https://app.example/policy',
    scope: 'openid',
    rotation_profile: 'mobile',
    refresh_token_retry_window: 7,
    access_token_ttl: 60,
    session_idle_ttl: 70,
    session_absolute_ttl: 80,
    max_sessions: 3,
    resource_server: '*',
    dpop_bound_access_tokens: true,
    allowed_origins: ['https://app.example'],
  };
  const { body } = await post(server, admin, '/clients', { first_party: true, ...special });
  t.deepEqual(timeless(body), { ...plain, ...special });
  const id = String(body.client_id);
  for (const name of Object.keys(special)) {
    const { status, body: changed } = await change(server, admin, id, { [name]: null });
    t.is(status, 200, name);
    t.deepEqual(changed[name], plain[name], name);
  }
  t.deepEqual(timeless(await read(server, admin, `/clients/${id}`)), plain);
});

for (const format of ['jwt', 'opaque'] as const) {
  testOnServers(`with a client its tokens are gone, for good (${format})`, async (t, server) => {
    const admin = await enterAsAdmin(server);
    const { identifier, form } = await makeResourceServer(server, format);
    const metadata = {
      grant_types: ['password', 'refresh_token', 'client_credentials'],
      scope: 'account orders:read',
    };
    const client = await makeConfidentialClient(server, metadata);
    const own = await clientToken(server, client, { scope: 'orders:read', resource: identifier });
    const { user, tokens } = await signIn(server, { client, form });
    const bystander = await signIn(server, { user, form });
    const values = [own, tokens.access_token];
    for (const value of values) t.is(await isActive(server, value), true);
    t.is((await api(server, `DELETE /admin/clients/${client.client_id}`, admin.token)).status, 204);
    for (const value of values) t.deepEqual(await introspect(server, value), { active: false });
    t.is((await refresh(server, client, tokens.refresh_token)).body.error, 'invalid_client');
    t.is((await login(server, user, client)).body.error, 'invalid_client');
    t.deepEqual(await server.db('sessions').where({ client_id: client.client_id }), []);
    t.is(await isActive(server, bystander.tokens.access_token), true);
    const again: ClientAuth & Json = { ...client, ...metadata, first_party: true };
    t.is((await post(server, admin, '/clients', again)).status, 201);
    t.deepEqual(await introspect(server, tokens.access_token), { active: false });
    t.is((await refresh(server, client, tokens.refresh_token)).body.error, 'invalid_grant');
  });
}

testOnServers('a right that a client loses ends at once', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const client = await makeConfidentialClient(server, { scope: 'openid account' });
  const user = await makeUser(server.db);
  const { tokens } = await signIn(server, { user, client });
  t.is(tokens.scope, 'openid account');
  granted(await change(server, admin, client.client_id, { scope: 'openid' }));
  const next = tokensOf(await refresh(server, client, tokens.refresh_token));
  t.is(next.scope, 'openid');
  granted(await change(server, admin, client.client_id, { grant_types: ['refresh_token'] }));
  assertRefused(t, await login(server, user, client), { status: 400, error: 'unauthorized_client' });
  granted(await change(server, admin, client.client_id, { grant_types: ['password'] }));
  const refused = await refresh(server, client, next.refresh_token);
  assertRefused(t, refused, { status: 400, error: 'unauthorized_client' });
  granted(await change(server, admin, client.client_id, { first_party: false }));
  assertRefused(t, await login(server, user, client), { status: 400, error: 'unauthorized_client' });
});

testOnServers('clients with ids as long as those of metadata documents are all listed', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const [a, b] = ['a', 'b'].map((path) => `https://zz.example/${path}${'x'.repeat(2048 - 20)}`) as [
    string,
    string,
  ];
  t.is(a.length, 2048);
  const said = { redirect_uris: ['https://zz.example/cb'], token_endpoint_auth_method: 'none' };
  for (const id of [a, b]) await saveRegisteredClient(server.db, id, said, 'document');
  const { items } = await readPages(server, admin, '/clients?limit=1', 'clients');
  t.deepEqual(
    items.map(({ client_id }) => client_id).filter((id) => id === a || id === b),
    [a, b],
  );
  t.is((await read(server, admin, `/clients/${encodeURIComponent(a)}`)).client_id, a);
  const blocked = await change(server, admin, a, { blocked: true });
  t.deepEqual([blocked.status, blocked.body.blocked], [200, true]);
  const events = await read(server, admin, `/events?client_id=${encodeURIComponent(a)}`);
  t.deepEqual((events.events as Json[]).map(({ type }) => type).toSorted(), [
    'client_registered',
    'client_updated',
  ]);
  const free = await change(server, admin, a, { blocked: false });
  t.deepEqual([free.status, free.body.blocked], [200, undefined]);
  for (const id of [a, b])
    t.is((await api(server, `DELETE /admin/clients/${encodeURIComponent(id)}`, admin.token)).status, 204);
  t.is((await api(server, `DELETE /consents/${encodeURIComponent(b)}`, admin.token)).body.error, 'not_found');
});

testOnServers(
  'a native app is recognised by its redirect URIs and may use any loopback port',
  async (t, server) => {
    const admin = await enterAsAdmin(server);
    const app = { token_endpoint_auth_method: 'none', first_party: true };
    const made = await post(server, admin, '/clients', {
      ...app,
      redirect_uris: ['com.example.app:/cb', 'http://127.0.0.1:19876/cb'],
    });
    t.is(made.status, 201, made.text);
    const ask = async (redirect_uri: string) => {
      const query = {
        client_id: String(made.body.client_id),
        redirect_uri,
        response_type: 'code',
        scope: 'openid',
      };
      const pkce = { code_challenge: 'x'.repeat(43), code_challenge_method: 'S256' };
      return (await send(`${server.url}/authorize?${new URLSearchParams({ ...query, ...pkce })}`)).status;
    };
    for (const uri of ['com.example.app:/cb', 'http://127.0.0.1:19876/cb', 'http://127.0.0.1:40000/cb'])
      t.is(await ask(uri), 303, uri);
    for (const uri of ['http://127.0.0.1:40000/other', 'http://localhost:19876/cb'])
      t.is(await ask(uri), 400, uri);
    const web = { ...app, application_type: 'web', redirect_uris: ['com.example.app:/cb'] };
    assertRefused(t, await post(server, admin, '/clients', web), {
      status: 400,
      error: 'invalid_client_metadata',
    });
  },
);
