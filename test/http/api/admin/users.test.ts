// Users through the admin API: create, read, find, change, and the members that cannot be set.
import { findUser } from '../../../../src/core/users/users.ts';
import { newId } from '../../../../src/lib/ids.ts';
import { enterAsAdmin, post, read, readPages, trailOf } from '../../../helpers/admin.ts';
import { makeUser, password } from '../../../helpers/builders.ts';
import { assertRefused, granted, type Json } from '../../../helpers/client.ts';
import { api, isActive, login, signIn } from '../../../helpers/oauth.ts';
import { testOnOwnServers, testOnServers } from '../../../helpers/server.ts';

const notFound = { status: 404, error: 'not_found' };
const malformed = { status: 400, error: 'invalid_request' };

function find(query: string): string {
  return `/users?search=${encodeURIComponent(query)}`;
}

function names(answer: Json): string[] {
  return (answer.users as { username: string }[]).map((user) => user.username);
}

testOnServers('a user is created, is read back unchanged, and can log in', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const given = {
    username: 'Ada.Lovelace',
    email: 'Ada@Example.test',
    roles: ['customer', 'vip'],
    permissions: ['orders:read'],
    tenant_id: 'acme',
  };
  const { status, body } = await post(server, admin, '/users', { ...given, password });
  t.is(status, 201, JSON.stringify(body));
  const { id, created_at: _, updated_at: __, ...rest } = body;
  t.deepEqual(rest, {
    ...given,
    email_verified: true,
    claims: {},
    has_password: true,
    status: 'active',
    status_reason: null,
    status_message: null,
    ban_expires_at: null,
    token_version: 0,
    last_login_at: null,
  });
  t.deepEqual(await read(server, admin, `/users/${id}`), body);
  t.deepEqual(await read(server, admin, `/users/${String(id).toUpperCase()}`), body);
  for (const username of ['ada.lovelace', 'ADA@example.TEST']) {
    t.is((await login(server, { username }, admin.client)).status, 200, username);
  }
  const [event] = await trailOf(server, admin, `user_id=${id}&type=user_created`);
  t.like(event, { actor: 'admin', actor_id: admin.user.id, ip: '127.0.0.1', user_id: id });
});

testOnServers('a name that is taken or invalid creates no user', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const taken = await makeUser(server.db, { username: 'taken-name', email: 'taken@example.test' });
  const create = async (json: unknown) => await post(server, admin, '/users', json);
  assertRefused(t, await create({ username: 'TAKEN-name' }), { status: 409, error: 'username_taken' });
  const email = 'Taken@EXAMPLE.test';
  assertRefused(t, await create({ username: 'other-name', email }), { status: 409, error: 'email_taken' });
  for (const wrong of [
    {},
    { username: 'a' },
    { username: 'not a name' },
    { username: 'half-\u0440aypal' },
    { username: 'good-name', email: 'nothing' },
    { username: 'good-name', roles: ['two words'] },
    { username: 'good-name', roles: 'admin' },
    { username: 'good-name', tenant_id: '' },
    { username: 'good-name', tenant_id: 'nul\0' },
  ]) {
    assertRefused(t, await create(wrong), malformed, JSON.stringify(wrong));
  }
  for (const [weak, reason] of [
    ['short', 'password_too_short'],
    ['password123', 'password_too_common'],
    ['good-name', 'password_is_name'],
  ] as const) {
    const answer = await create({ username: 'good-name', password: weak });
    assertRefused(t, answer, { status: 400, error: 'weak_password', reason });
  }
  t.deepEqual(names(await read(server, admin, find('good-name'))), []);
  t.deepEqual(names(await read(server, admin, find('other-name'))), []);
  t.deepEqual(await findUser(server.db, taken.id), taken);
});

testOnServers('members that cannot be set are refused and change nothing', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const { id } = await makeUser(server.db);
  const before = await findUser(server.db, id);
  const forbidden: Json = {
    id: newId(),
    status: 'banned',
    status_reason: 'none',
    status_message: 'none',
    token_version: 7,
    password_hash: '$argon2id$',
    username_key: 'admin',
    email_key: 'admin',
    last_login_at: new Date().toISOString(),
    created_at: new Date().toISOString(),
  };
  for (const [name, value] of Object.entries(forbidden)) {
    const body = { json: { tenant_id: 'acme', [name]: value } };
    assertRefused(t, await api(server, `PATCH /admin/users/${id}`, admin.token, body), malformed, name);
    const made = { username: `mass-${name}`, [name]: value };
    assertRefused(t, await post(server, admin, '/users', made), malformed, name);
    for (const verb of ['ban', 'unban', 'disable', 'enable', 'delete', 'force-logout']) {
      const given = { reason: 'because', [name]: value };
      assertRefused(
        t,
        await post(server, admin, `/users/${id}/${verb}`, given),
        malformed,
        `${verb} ${name}`,
      );
    }
  }
  const patched = { json: { password: 'a new password' } };
  assertRefused(t, await api(server, `PATCH /admin/users/${id}`, admin.token, patched), malformed);
  t.deepEqual(await findUser(server.db, id), before);
  t.deepEqual(names(await read(server, admin, find('mass-'))), []);
});

testOnServers('users cannot set their own roles or status', async (t, server) => {
  const { user, tokens } = await signIn(server);
  const before = await findUser(server.db, user.id);
  for (const member of [
    { roles: ['admin'] },
    { status: 'active' },
    { permissions: ['x'] },
    { tenant_id: 'x' },
  ]) {
    assertRefused(t, await api(server, 'PATCH /me', tokens.access_token, { json: member }), malformed);
  }
  t.deepEqual(await findUser(server.db, user.id), before);
});

testOnServers('users are found by the beginning of their names only', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const made = ['Zoë.Q', 'zo_x', 'zoax', 'zo-x', 'ζωή', '\uFF3A\uFF4F\uFF4F'];
  for (const username of made) {
    await makeUser(server.db, {
      username: username.normalize('NFKC'),
      email: `mail-of-${username}@example.test`,
    });
  }
  await makeUser(server.db, { username: 'percent', email: '100%zo@example.test' });
  await makeUser(server.db, { username: 'backslash', email: 'back\\slash@example.test' });
  const cases: Record<string, string[]> = {
    zo: ['zo-x', 'zo_x', 'zoax', 'Zoo', 'Zoë.Q'],
    ZO: ['zo-x', 'zo_x', 'zoax', 'Zoo', 'Zoë.Q'],
    zo_: ['zo_x'],
    'zo\u0308': [],
    'ZOE\u0308': ['Zoë.Q'],
    ΖΩ: ['ζωή'],
    '\uFF5A\uFF4F\uFF4F': ['Zoo'],
    '%': [],
    '100%': ['percent'],
    '10_%': [],
    _o: [],
    'back\\': ['backslash'],
    'back\\\\': [],
    '\\': [],
    'MAIL-of-zoa': ['zoax'],
    "' or 1=1 --": [],
    '\u{1F4A5}': [],
  };
  for (const [search, expected] of Object.entries(cases)) {
    t.deepEqual(names(await read(server, admin, find(search))), expected, JSON.stringify(search));
  }
  for (const wrong of [
    'search=%00',
    'search=zo%00',
    'search=',
    `search=${'x'.repeat(255)}`,
    'search=a&search=b',
    'status=gone',
    'sort=id',
  ]) {
    assertRefused(t, await api(server, `GET /admin/users?${wrong}`, admin.token), malformed, wrong);
  }
});

testOnOwnServers('the pages of the list are complete while users are created', {}, async (t, server) => {
  const admin = await enterAsAdmin(server);
  const ids = [admin.user.id];
  for (let i = 0; i < 6; i += 1) ids.push((await makeUser(server.db, { username: `page-${i}` })).id);
  const whole = await readPages<{ id: string }>(server, admin, '/users?limit=3', 'users');
  ids.sort(); // Ids of the same millisecond are in the order of their random bits.
  t.deepEqual([whole.items.map((user) => user.id), whole.pages], [ids, [3, 3, 1]]);
  const first = await read(server, admin, '/users?limit=6&search=page');
  const late = await makeUser(server.db, { username: 'page-late' });
  t.is((first.users as unknown[]).length, 6);
  t.is(first.next_cursor, null, 'a page that is exactly full is the last');
  const behind = await readPages<{ id: string }>(server, admin, '/users?limit=4&search=page', 'users');
  t.deepEqual(behind.items.map((user) => user.id).toSorted(), [...ids.slice(1), late.id].toSorted());
  const { next_cursor } = await read(server, admin, '/users?limit=3&search=page');
  const crossed = [`cursor=${next_cursor}`, `search=page&cursor=${btoa(JSON.stringify(late.id))}`];
  for (const wrong of crossed) {
    assertRefused(t, await api(server, `GET /admin/users?${wrong}`, admin.token), malformed, wrong);
  }
  t.deepEqual(names(await read(server, admin, '/users?status=banned')), []);
  for (const wrong of ['limit=0', 'limit=201', 'limit=x', 'cursor=', 'cursor=x', 'cursor=Im5vIGlkIg']) {
    assertRefused(t, await api(server, `GET /admin/users?${wrong}`, admin.token), malformed, wrong);
  }
});

testOnServers(
  'changing names changes nothing else, and null removes an e-mail address',
  async (t, server) => {
    const admin = await enterAsAdmin(server);
    const { user, client, tokens } = await signIn(server, {
      user: await makeUser(server.db, { username: 'before', email: 'before@example.test' }),
    });
    const path = `/admin/users/${user.id}`;
    const json = { username: 'After', email: null };
    const changed = granted(await api(server, `PATCH ${path}`, admin.token, { json }));
    t.like(changed, { ...json, token_version: 0, roles: [] });
    t.is(await isActive(server, tokens.access_token), true, 'names are not in access tokens');
    t.is((await login(server, { username: 'before' }, client)).body.error, 'invalid_grant');
    t.is((await login(server, { username: 'after' }, client)).status, 200);
    await makeUser(server.db, { username: 'somebody', email: 'somebody@example.test' });
    const username = { json: { username: 'SOMEBODY' } };
    const email = { json: { email: 'SOMEBODY@example.test' } };
    const refused = async (question: Json) => await api(server, `PATCH ${path}`, admin.token, question);
    assertRefused(t, await refused(username), { status: 409, error: 'username_taken' });
    assertRefused(t, await refused(email), { status: 409, error: 'email_taken' });
    for (const [method, at] of [
      ['PATCH', ''],
      ['GET', ''],
      ['POST', '/ban'],
      ['POST', '/force-logout'],
      ['GET', '/sessions'],
    ]) {
      const body = method === 'GET' ? {} : { json: method === 'PATCH' ? {} : { reason: 'x' } };
      for (const id of [newId(), 'nobody', "'", '%00']) {
        assertRefused(t, await api(server, `${method} /admin/users/${id}${at}`, admin.token, body), notFound);
      }
    }
  },
);
