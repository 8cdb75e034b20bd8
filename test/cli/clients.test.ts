import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { makeUser } from '../helpers/builders.ts';
import { assertRefusedCommand, kindred, kindredJson } from '../helpers/commands.ts';
import { api, introspect, login, refresh, signIn, token, tokensOf } from '../helpers/oauth.ts';
import { testOnServers } from '../helpers/server.ts';
import { makeStore } from '../helpers/stores.ts';
import { dumpText } from '../helpers/tables.ts';

const ids = { client_id: 'some-id', created_at: 'some time', updated_at: 'some time' };

testOnServers(
  'a client without a given secret gets one, which works and is not stored',
  async (t, server) => {
    const { code, stdout, stderr } = await kindred(
      server,
      ['create-client', '--metadata', '-'],
      '{"grant_types":["client_credentials"]}',
    );
    t.is(code, 0);
    t.is(stderr, 'kindred: the client_secret is shown only once\n');
    const { client_id, client_secret, client_secrets, ...client } = JSON.parse(stdout);
    t.deepEqual(
      { ...client, ...ids },
      {
        ...ids,
        first_party: false,
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
        token_endpoint_auth_method: 'client_secret_basic',
        rotation_profile: 'web',
        registered_by: 'admin',
        refresh_token_retry_window: 20,
      },
    );
    t.regex(client_secret, /^[\w-]{43}$/);
    t.deepEqual(Object.keys(client_secrets[0]).toSorted(), ['created', 'expires', 'id']);
    const basic = Buffer.from(`${client_id}:${client_secret}`).toString('base64');
    const headers = { Authorization: `Basic ${basic}` };
    t.is((await token(server, { grant_type: 'client_credentials' }, { headers })).status, 200);
    t.false((await dumpText(server.db)).includes(client_secret));
  },
);

testOnServers('an app registered from a file logs users in, with the given rules', async (t, server) => {
  const directory = await mkdtemp(join(tmpdir(), 'kindred-cli-'));
  t.teardown(() => rm(directory, { recursive: true }));
  const file = join(directory, 'client.json');
  const metadata = {
    client_id: 'phone-app',
    client_name: 'Phone',
    first_party: true,
    token_endpoint_auth_method: 'none',
    rotation_profile: 'mobile',
    refresh_token_retry_window: 90,
    access_token_ttl: 120,
    session_idle_ttl: 3600,
  };
  await writeFile(file, JSON.stringify(metadata));
  const {
    created_at: _c,
    updated_at: _u,
    ...client
  } = await kindredJson(server, ['create-client', '--metadata', file]);
  t.deepEqual(client, {
    ...metadata,
    grant_types: ['password', 'refresh_token'],
    redirect_uris: [],
    response_types: [],
    registered_by: 'admin',
    client_secrets: [],
  });
  const user = await makeUser(server.db);
  const tokens = tokensOf(await login(server, user, metadata));
  t.is(tokens.expires_in, 120);
  t.is(tokens.refresh_token_expires_in, 3600);
  const once = tokensOf(await refresh(server, metadata, tokens.refresh_token));
  const again = tokensOf(await refresh(server, metadata, tokens.refresh_token));
  t.is(again.refresh_token, once.refresh_token);

  const twice = await kindred(server, ['create-client', '--metadata', file]);
  assertRefusedCommand(t, twice, /a client with this client_id already exists/);
});

testOnServers(
  'the client of a resource server sees the tokens for its resource server as active, and no others',
  async (t, server) => {
    const identifier = 'https://orders.example.test/';
    const args = ['--identifier', identifier, '--name', 'Orders', '--format', 'opaque', '--typ', 'JWT'];
    const scopes = ['--scope', 'orders:read', '--scope', 'orders:write', '--access-token-ttl', '60'];
    const {
      created_at: _c,
      updated_at: _u,
      ...made
    } = await kindredJson(server, ['create-resource-server', ...args, ...scopes]);
    t.deepEqual(made, {
      identifier,
      name: 'Orders',
      scope: 'orders:read orders:write',
      access_token_format: 'opaque',
      access_token_typ: 'JWT',
      access_token_ttl: 60,
      claims: null,
    });
    const metadata = {
      client_id: 'orders-api',
      resource_server: identifier,
      grant_types: ['client_credentials'],
    };
    const { client_secret } = await kindredJson<{ client_secret: string }>(
      server,
      ['create-client', '--metadata', '-'],
      JSON.stringify({ ...metadata, token_endpoint_auth_method: 'client_secret_post' }),
    );
    const caller = { client_id: 'orders-api', client_secret };
    const { tokens } = await signIn(server, { form: { resource: identifier, scope: 'orders:read' } });
    t.is(tokens.expires_in, 60);
    t.false(tokens.access_token.includes('.'));
    const { active, aud, scope } = await introspect(server, tokens.access_token, caller);
    t.deepEqual({ active, aud, scope }, { active: true, aud: identifier, scope: 'orders:read' });
    const other = await signIn(server);
    t.deepEqual(await introspect(server, other.tokens.access_token, caller), { active: false });
    t.is((await api(server, 'GET /me', tokens.access_token)).status, 401);

    const again = await kindred(server, ['create-resource-server', ...args]);
    assertRefusedCommand(t, again, /a resource server with this identifier already exists/);
  },
);

testOnServers('creations by commands are in the audit trail', async (t, server) => {
  const metadata = '{"client_id":"noted","token_endpoint_auth_method":"none","first_party":true}';
  await kindredJson(server, ['create-client', '--metadata', '-'], metadata);
  await kindredJson(server, ['create-resource-server', '--identifier', 'https://noted.example.test/']);
  const args = ['create-user', '--username', 'noted', '--password-stdin'];
  const { id } = await kindredJson(server, args, 'a phrase that nobody else uses 17');
  const events = await server.db('audit_events').where({ actor: 'admin' }).orderBy('id');
  const nobody = { client_id: null, user_id: null, detail: null };
  const identifier = 'https://noted.example.test/';
  t.deepEqual(
    events
      .map(({ type, client_id, user_id, detail }) => ({ type, client_id, user_id, detail }))
      .filter(
        (one) => one.client_id === 'noted' || one.user_id === id || one.detail?.identifier === identifier,
      ),
    [
      { ...nobody, type: 'client_created', client_id: 'noted' },
      { ...nobody, type: 'resource_server_created', detail: { identifier } },
      { ...nobody, type: 'user_created', user_id: id },
    ],
  );
});

const store = makeStore('sqlite');
test.after.always('the store is dropped', async () => await (await store).drop());
const database = async () => ({ databaseUrl: (await store).url });

const remarks: [title: string, metadata: object, remark: string][] = [
  [
    'a short secret is taken, with a warning that does not repeat it',
    { client_secret: 'hunter2-hunter2-hunter2', grant_types: ['password'] },
    'the given client_secret is shorter than 32 characters; leave it out to get a random one',
  ],
  [
    'a secret for a client that has none is ignored, and the operator hears of it',
    {
      token_endpoint_auth_method: 'none',
      client_secret: 'hunter2-hunter2-hunter2',
      grant_types: ['password'],
    },
    'the given client_secret is ignored: this client does not authenticate with one',
  ],
];

for (const [title, metadata, remark] of remarks) {
  test(title, async (t) => {
    const given = JSON.stringify({ first_party: true, ...metadata });
    const { code, stderr } = await kindred(await database(), ['create-client', '--metadata', '-'], given);
    t.deepEqual({ code, stderr }, { code: 0, stderr: `kindred: ${remark}\n` });
  });
}

test('a long secret is accepted without a warning, and the operator hears of the profile', async (t) => {
  const client_secret = 'c'.repeat(32);
  const args = ['create-client', '--metadata', '-', '--json'];
  const { stdout, stderr } = await kindred(
    await database(),
    args,
    JSON.stringify({ first_party: true, client_secret }),
  );
  t.is(
    stderr,
    'kindred: rotation_profile web: for 20 s after a refresh the previous refresh token gets the same answer again; later, its use ends the session\n',
  );
  t.is(JSON.parse(stdout).client_secret, client_secret);
});
