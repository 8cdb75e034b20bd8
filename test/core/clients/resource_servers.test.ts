import test from 'ava';
import {
  createResourceServer,
  findResourceServer,
  newResourceServer,
} from '../../../src/core/clients/resource_servers.ts';
import { AppError } from '../../../src/lib/errors.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { openDatabases } from '../../helpers/tables.ts';

const identifier = 'https://api.example/v1';

testOnStores('a resource server is found only by its exact identifier', async (t, { db }) => {
  const made = await createResourceServer(db, {
    identifier,
    name: 'Orders',
    scope: 'orders:read orders:write',
    access_token_format: 'opaque',
    access_token_ttl: 60,
  });
  const { created_at, updated_at } = made;
  t.deepEqual(made, {
    identifier,
    name: 'Orders',
    scope: 'orders:read orders:write',
    access_token_format: 'opaque',
    access_token_typ: 'at+jwt',
    access_token_ttl: 60,
    claims: null,
    created_at,
    updated_at,
  });
  t.true(created_at instanceof Date);
  t.deepEqual(await findResourceServer(db, identifier), made);
  for (const other of [
    `${identifier}/`,
    identifier.toUpperCase(),
    'https://api.example',
    '',
    '%',
    `${identifier}\0`,
    '\ud800',
  ]) {
    t.is(await findResourceServer(db, other), null, JSON.stringify(other));
  }
});

testOnStores('absent members get their defaults', async (t, { db }) => {
  const { created_at: _, updated_at: __, ...made } = await createResourceServer(db, { identifier });
  t.deepEqual(made, {
    identifier,
    name: null,
    scope: '',
    access_token_format: 'jwt',
    access_token_typ: 'at+jwt',
    access_token_ttl: null,
    claims: null,
  });
});

testOnStores('of several concurrent registrations of one identifier, one succeeds', async (t, store) => {
  const nodes = await openDatabases(t, store, 3);
  const tries = await Promise.allSettled(
    Array.from({ length: 6 }, (_, i) =>
      createResourceServer(nodes[i % nodes.length] ?? store.db, { identifier }),
    ),
  );
  const codes = tries.map((one) => (one.status === 'fulfilled' ? 'made' : (one.reason as AppError).code));
  t.deepEqual(codes.toSorted(), ['made', ...Array(5).fill('resource_server_exists')]);
  const error = await t.throwsAsync(createResourceServer(store.db, { identifier }), { instanceOf: AppError });
  t.is(error?.status, 409);
});

test("the server's own scopes and malformed ones are refused", (t) => {
  const isScope = (scope: string) => newResourceServer.safeParse({ identifier, scope }).success;
  for (const own of [
    'openid',
    'profile',
    'email',
    'offline_access',
    'account',
    'admin',
    'admin:read',
    'admin:config',
  ]) {
    t.false(isScope(own), own);
    t.false(isScope(`read ${own}`), own);
    t.false(isScope(`${own} read`), own);
    t.true(isScope(`${own}:orders`), own);
  }
  for (const scope of [' ', 'a  b', ' a', 'a ', 'a\tb', 'a"b', 'a\\b', 'ä', 'a\nb', 'a\0', '\u00a0']) {
    t.false(isScope(scope), JSON.stringify(scope));
  }
  for (const scope of ['', 'a', 'a b c', 'https://api.example/read', '!#[]^~']) t.true(isScope(scope), scope);
});

test('an identifier must be an absolute URL without a fragment', (t) => {
  const isFine = (given: Record<string, unknown>) => newResourceServer.safeParse(given).success;
  for (const wrong of [
    '',
    'api',
    '/api',
    'https://',
    'https://a.example#x',
    'https://a.example#',
    'a'.repeat(3000),
    7,
    null,
  ]) {
    t.false(isFine({ identifier: wrong }), JSON.stringify(wrong));
  }
  t.false(isFine({ identifier: `https://a.example/${'x'.repeat(2048)}` }));
  t.false(isFine({ identifier, access_token_format: 'xml' }));
  t.false(isFine({ identifier, access_token_typ: 'jwt' }));
  t.false(isFine({ identifier, access_token_ttl: 0 }));
  t.false(isFine({ identifier, access_token_ttl: 1.5 }));
  t.false(isFine({ identifier, lifetime: 1 }));
  t.true(isFine({ identifier }));
});
