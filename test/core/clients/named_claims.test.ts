import test from 'ava';
import { namedClaims, readNamedClaims, standardMembers } from '../../../src/core/clients/named_claims.ts';
import { profileMembers } from '../../../src/core/users/users.ts';

const isAllowed = (claims: unknown) => namedClaims.safeParse(claims).success;

test('no name may take the place of a claim that has a meaning, in any case', (t) => {
  for (const name of [
    ...['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti'],
    ...['client_id', 'scope', 'auth_time', 'acr', 'amr', 'roles', 'groups', 'entitlements', 'cnf', 'act'],
    ...[
      'name',
      'email',
      'email_verified',
      'preferred_username',
      'updated_at',
      'nonce',
      'azp',
      'at_hash',
      'sid',
    ],
    ...['permissions', 'tid', 'token_version', 'client_version', 'userinfo_scope', 'active', 'username'],
    ...['SUB', 'Roles', 'token_type', 'events', 'token_introspection', '_claim_names'],
    ...['', ' plan', 'pl an', 'plän', '1plan', 'x'.repeat(101), 'a\n', 'a"b'],
  ])
    t.false(isAllowed({ [name]: 'app.plan' }), name);
  t.deepEqual(namedClaims.parse(JSON.parse('{"__proto__": "app.plan"}')), {});
  t.true(isAllowed({ plan: 'app.plan', 'https://x.example/plan': 'app.plans', constructor: 'name' }));
});

test('a claim shows a member of the profile or of app, each once, and there are at most twenty', (t) => {
  for (const path of [
    'app',
    'email',
    'sub',
    'password_hash',
    'name.x',
    'app.',
    'app..x',
    'app.a b',
    'app.x'.padEnd(70, 'x'),
    'constructor',
    `app${'.x'.repeat(9)}`,
    7,
    null,
  ])
    t.false(isAllowed({ plan: path }), String(path));
  for (const path of [...profileMembers, 'app.x', `app${'.x'.repeat(8)}`])
    t.true(isAllowed({ plan: path }), path);
  t.false(isAllowed({ one: 'app.a', two: 'app.a' }));
  t.false(isAllowed({ one: 'app.a', two: 'app.a.b' }));
  t.true(isAllowed({ one: 'app.a', two: 'app.ab' }));
  const many = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`n${at}`, `app.n${at}`]));
  t.true(isAllowed(many(20)));
  t.false(isAllowed(many(21)));
  t.deepEqual([...standardMembers], [...profileMembers]);
});

test('only members of the profile itself are read', (t) => {
  const named = {
    a: 'app.toString',
    b: 'app.list.length',
    c: 'app.list.0',
    d: 'app.text.length',
    e: 'app.no',
    f: 'app.__proto__',
    g: 'app.zero',
  };
  const profile = { app: { list: [1], text: 'x', no: null, zero: 0 } };
  t.deepEqual(readNamedClaims(named, profile), [['g', 0]]);
  t.deepEqual(readNamedClaims(named, null), []);
  t.deepEqual(readNamedClaims(null, profile), []);
});
