import test from 'ava';
import { newClient } from '../../../src/core/clients/client_metadata.ts';
import { verifyClientSecret } from '../../../src/core/clients/client_secrets.ts';
import {
  type Client,
  createClient,
  describeClient,
  findClient,
  retryWindowOf,
} from '../../../src/core/clients/clients.ts';
import { AppError } from '../../../src/lib/errors.ts';
import { after, makeClient } from '../../helpers/builders.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { dumpText, openDatabases } from '../../helpers/tables.ts';

const secretId = /^[0-9a-f-]{36}$/;

testOnStores('a client is stored whole, and found by exactly its id', async (t, { db }) => {
  const { client, client_secret } = await createClient(db, {
    client_id: 'shop',
    client_name: 'Shop',
    first_party: true,
    redirect_uris: ['https://shop.example/cb'],
    scope: 'openid orders',
    rotation_profile: 'mobile',
    access_token_ttl: 60,
    session_idle_ttl: 3_600,
    session_absolute_ttl: 86_400,
    resource_server: '*',
  });
  const { secrets, created_at, updated_at, token_version, ...rest } = client;
  t.deepEqual(rest, {
    client_id: 'shop',
    metadata: {
      client_name: 'Shop',
      redirect_uris: ['https://shop.example/cb'],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_basic',
    },
    first_party: true,
    registered_by: 'admin',
    rotation_profile: 'mobile',
    refresh_token_retry_window: null,
    access_token_ttl: 60,
    session_idle_ttl: 3_600,
    session_absolute_ttl: 86_400,
    scope: 'openid orders',
    resource_server: '*',
    default_resource: null,
    review: null,
    blocked_at: null,
    deleted_at: null,
  });
  t.true(Number.isSafeInteger(token_version));
  t.is(client_secret?.length, 43, '32 random bytes');
  t.is(secrets.length, 1);
  t.true(created_at instanceof Date && updated_at instanceof Date);
  t.deepEqual(await findClient(db, 'shop'), client);
  for (const other of ['SHOP', 'shop ', '', '%', 'shop\0', '\0', '\ud800', 'x'.repeat(10_000)]) {
    t.is(await findClient(db, other), null, JSON.stringify(other).slice(0, 40));
  }
});

testOnStores('how a client authenticates and what it may do follow from what it is', async (t, { db }) => {
  const shapeOf = async (given: Parameters<typeof createClient>[1]) => {
    const { client, client_secret } = await createClient(db, given);
    const { grant_types, response_types, token_endpoint_auth_method } = client.metadata;
    const secrets = [client.secrets.length, typeof client_secret];
    return { grant_types, response_types, token_endpoint_auth_method, secrets };
  };
  const none = [0, 'undefined'];
  const one = [1, 'string'];
  const redirect_uris = ['https://shop.example/cb'];
  const code = { grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'] };
  const direct = { grant_types: ['password', 'refresh_token'], response_types: [] };
  const machine = { grant_types: ['client_credentials'], response_types: [] };
  const withSecret = { token_endpoint_auth_method: 'client_secret_basic', secrets: one };
  t.deepEqual(await shapeOf({ client_name: 'Machine' }), { ...machine, ...withSecret });
  t.deepEqual(await shapeOf({ first_party: true }), { ...direct, ...withSecret });
  t.deepEqual(await shapeOf({ redirect_uris }), { ...code, ...withSecret });
  t.deepEqual(await shapeOf({ redirect_uris, first_party: true }), { ...code, ...withSecret });
  t.deepEqual(await shapeOf({ first_party: true, token_endpoint_auth_method: 'none' }), {
    ...direct,
    token_endpoint_auth_method: 'none',
    secrets: none,
  });
  t.deepEqual(await shapeOf({ jwks: { keys: [{ kty: 'EC' }] } }), {
    ...machine,
    token_endpoint_auth_method: 'private_key_jwt',
    secrets: none,
  });
});

testOnStores('a client that anybody could name gets nothing of its own', async (t, { db }) => {
  for (const given of [{}, { grant_types: ['password', 'client_credentials'], first_party: true }]) {
    const error = await t.throwsAsync(createClient(db, { ...given, token_endpoint_auth_method: 'none' }), {
      instanceOf: AppError,
    });
    t.is(error?.code as string, 'invalid_client_metadata');
  }
  t.deepEqual(await db('clients'), []);
});

testOnStores(
  'a secret is verified, and stands neither in the database nor in a description',
  async (t, { db }) => {
    const at = new Date();
    const made = await createClient(db, { client_name: 'Machine' });
    const given = await createClient(db, { client_name: 'x', client_secret: 'a secret of their own!' });
    const secrets = [made.client_secret ?? '', given.client_secret ?? ''];
    t.is(secrets[1], 'a secret of their own!');
    const dump = await dumpText(db);
    for (const [i, { client }] of [made, given].entries()) {
      const own = secrets[i] ?? '';
      t.true(verifyClientSecret(client.secrets, own, at));
      for (const wrong of [
        '',
        ' ',
        `${own} `,
        own.slice(1),
        own.toUpperCase(),
        secrets[1 - i] ?? '',
        '\0',
        '\ud800',
      ]) {
        t.false(verifyClientSecret(client.secrets, wrong, at), wrong);
      }
      const [stored] = client.secrets;
      for (const part of [stored?.digest, stored?.salt, stored?.id]) {
        t.false(verifyClientSecret(client.secrets, String(part), at), 'what is stored is no secret');
      }
      t.false(dump.includes(own));
      const described = JSON.stringify(describeClient(client));
      for (const hidden of [own, stored?.digest, stored?.salt]) t.false(described.includes(String(hidden)));
    }
    t.false(verifyClientSecret([], '', at), 'a client without secrets has none that is empty');
  },
);

testOnStores('of two secrets both are good, and one that has expired is not', async (t, { db }) => {
  const old = await createClient(db, { client_name: 'x', client_secret: 'the-old-secret-of-these-tests' });
  const young = await createClient(db, {
    client_name: 'x',
    client_secret: 'the-young-secret-of-these-tests',
  });
  const at = new Date('2030-01-01T00:00:00Z');
  const expiring = old.client.secrets.map((one) => ({ ...one, expires: at.toISOString() }));
  const both = [...expiring, ...young.client.secrets];
  const answers = (when: Date) =>
    ['the-old-secret-of-these-tests', 'the-young-secret-of-these-tests', 'no-secret'].map((one) =>
      verifyClientSecret(both, one, when),
    );
  t.deepEqual(answers(after(at, -0.001)), [true, true, false]);
  t.deepEqual(answers(at), [false, true, false]);
});

testOnStores('a description has the names of RFC 7591 and nothing that is null', async (t, { db }) => {
  const { client } = await createClient(db, {
    client_id: 'shop',
    first_party: true,
    rotation_profile: 'spa',
  });
  const [secret] = client.secrets;
  t.deepEqual(describeClient(client), {
    client_id: 'shop',
    first_party: true,
    redirect_uris: [],
    grant_types: ['password', 'refresh_token'],
    response_types: [],
    token_endpoint_auth_method: 'client_secret_basic',
    rotation_profile: 'spa',
    refresh_token_retry_window: 60,
    registered_by: 'admin',
    client_secrets: [{ id: secret?.id, created: secret?.created, expires: null }],
    created_at: client.created_at,
    updated_at: client.updated_at,
  });
  t.regex(String(secret?.id), secretId);
});

testOnStores('of several who register one client_id at once one does', async (t, store) => {
  const nodes = await openDatabases(t, store, 3);
  const tries = await Promise.allSettled(
    Array.from({ length: 6 }, (_, i) =>
      makeClient(nodes[i % nodes.length] ?? store.db, { client_id: 'shop' }),
    ),
  );
  const codes = tries.map((one) => (one.status === 'fulfilled' ? 'made' : (one.reason as AppError).code));
  t.deepEqual(codes.toSorted(), [...Array(5).fill('client_exists'), 'made']);
  const error = await t.throwsAsync(makeClient(store.db, { client_id: 'shop' }), { instanceOf: AppError });
  t.is(error?.status, 409);
});

test('each profile has its retry window, and a client may have its own', (t) => {
  const windowOf = (rotation_profile: Client['rotation_profile'], own: number | null = null) =>
    retryWindowOf({ rotation_profile, refresh_token_retry_window: own } as Client);
  t.deepEqual(
    (['strict', 'spa', 'mobile', 'observe'] as const).map((profile) => windowOf(profile)),
    [0, 60, 60, 60],
  );
  t.deepEqual([windowOf('strict', 5), windowOf('spa', 0), windowOf('mobile', 86_400)], [5, 0, 86_400]);
});

test('metadata that nobody knows or that is malformed is refused', (t) => {
  const isFine = (given: Record<string, unknown>) => newClient.safeParse(given).success;
  for (const given of [
    { colour: 'red' },
    { secrets: [] },
    { client_secret_hash: 'x' },
    { client_id: '' },
    { client_id: 'a b' },
    { client_id: 'ä' },
    { client_id: 'a\0' },
    { client_id: 'x'.repeat(201) },
    { client_name: 'x', client_secret: '' },
    { client_name: 'x', client_secret: 'x'.repeat(21) },
    { client_name: 'x', client_secret: 'x'.repeat(513) },
    { client_name: 'x', client_secret: 'ä'.repeat(30) },
    { client_name: 'x', client_secret: `${'x'.repeat(30)}\n` },
    {},
    { first_party: false },
    { redirect_uris: ['https://app.example/*'] },
    { redirect_uris: ['https://*.app.example/cb'] },
    { post_logout_redirect_uris: ['https://app.example/*'] },
    { access_token_ttl: 86_401 },
    { default_resource: 'orders' },
    { token_endpoint_auth_method: 'client_secret_jwt' },
    { rotation_profile: 'lax' },
    { refresh_token_retry_window: -1 },
    { refresh_token_retry_window: 86_401 },
    { access_token_ttl: 0 },
    { session_idle_ttl: 1.5 },
    { session_absolute_ttl: 2 ** 31 },
    { scope: '' },
    { scope: 'a  b' },
    { resource_server: 'orders' },
    { allowed_origins: ['https://app.example/'] },
    { allowed_origins: ['https://app.example/path'] },
    { allowed_origins: ['*'] },
    { allowed_origins: ['null'] },
    { allowed_origins: ['chrome-extension://abc'] },
    { first_party: 'yes' },
  ]) {
    t.false(isFine(given), JSON.stringify(given).slice(0, 60));
  }
  t.true(isFine({ client_name: 'x', client_secret: 'with spaces, of RFC 6749' }));
  t.true(isFine({ allowed_origins: ['https://app.example', 'http://localhost:8080'], scope: 'a b' }));
});
