import { createClient, describeClient, findClient } from '../../../src/core/clients/clients.ts';
import { AppError } from '../../../src/lib/errors.ts';
import { makeClient } from '../../helpers/builders.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { openDatabases } from '../../helpers/tables.ts';

const secretId = /^[0-9a-f-]{36}$/;

testOnStores('a client is stored with all its members and found only by its exact id', async (t, { db }) => {
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
    max_sessions: 5,
    resource_server: '*',
  });
  const { secrets, created_at, updated_at, token_version, ...rest } = client;
  // Every column of the table comes back; this one has members of its own.
  const columns = Object.fromEntries(Object.entries(rest).filter(([name]) => name !== 'claims'));
  t.deepEqual(columns, {
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
    max_sessions: 5,
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

testOnStores(
  'the description of a client has the names of RFC 7591 and no null members',
  async (t, { db }) => {
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
  },
);

testOnStores('of several concurrent registrations of one client_id, one succeeds', async (t, store) => {
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
