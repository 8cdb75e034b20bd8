// The caller's own profile: what it shows and what can be changed.

import { makeUser, password } from '../../helpers/builders.ts';
import { assertRefused, granted } from '../../helpers/client.ts';
import { api, introspect, login, signIn, tokensOf } from '../../helpers/oauth.ts';
import { rowOf } from '../../helpers/rows.ts';
import { testOnOwnServers, testOnServers } from '../../helpers/server.ts';

const invalid = { status: 400, error: 'invalid_request' };
const person = { roles: ['customer'], permissions: ['orders:read'], tenant_id: 'acme' };

testOnServers('my profile shows my data without secrets', async (t, server) => {
  const email = `profile@${server.store}.example`;
  const user = await makeUser(server.db, { ...person, email });
  const { tokens } = await signIn(server, { user });
  const { last_login_at } = await rowOf(server.db('users').where({ id: user.id }).first());
  t.deepEqual(granted(await api(server, 'GET /me', tokens.access_token)), {
    id: user.id,
    username: user.username,
    email,
    email_verified: false,
    pending_email: null,
    claims: {},
    has_password: true,
    factors: [],
    ...person,
    last_login_at: last_login_at?.toISOString(),
    created_at: user.created_at.toISOString(),
  });
});

testOnServers('a change is taken as JSON under each of its names', async (t, server) => {
  const { tokens } = await signIn(server);
  const types = [
    'application/merge-patch+json',
    'Application/JSON; charset=UTF-8',
    'application/vnd.api+json',
  ];
  for (const [at, type] of types.entries()) {
    const username = `typed-${at}-${server.store}`;
    const question = { body: JSON.stringify({ username }), headers: { 'Content-Type': type } };
    const answer = await api(server, 'PATCH /me', tokens.access_token, question);
    t.like(granted(answer), { username }, type);
  }
});

testOnServers('I can change my username and log in with the new one', async (t, server) => {
  const { user, client, tokens } = await signIn(server);
  const change = (json: unknown) => api(server, 'PATCH /me', tokens.access_token, { json });
  const before = granted(await api(server, 'GET /me', tokens.access_token));
  const username = `Renamed-${server.store}`;
  t.deepEqual(granted(await change({ username })), { ...before, username });
  t.deepEqual(granted(await change({})), { ...before, username }, 'an empty change succeeds');
  tokensOf(await login(server, { username }, client));
  const old = await login(server, user, client);
  assertRefused(t, old, { status: 400, error: 'invalid_grant' });
  const events = await server
    .db('audit_events')
    .where({ user_id: user.id, type: 'user_updated' })
    .orderBy('id');
  t.deepEqual(
    events.map(({ actor, actor_id, detail }) => ({ actor, actor_id, detail })),
    [['username'], []].map((changed) => ({ actor: 'user', actor_id: user.id, detail: { changed } })),
  );
});

testOnServers('a user cannot set an e-mail address without proving it', async (t, server) => {
  const user = await makeUser(server.db, { email: `own@${server.store}.example` });
  const { tokens } = await signIn(server, { user });
  for (const email of [`ceo@${server.store}.example`, user.email, null]) {
    const json = { username: 'harmless', email };
    const answer = await api(server, 'PATCH /me', tokens.access_token, { json });
    assertRefused(t, answer, invalid, String(email));
    t.is(
      answer.body.error_description,
      'email: is changed by POST /api/me/email, which sends a code to the new address',
    );
  }
  t.is(granted(await api(server, 'GET /me', tokens.access_token)).email, user.email);
});

testOnServers('a username that another user has in any spelling is taken', async (t, server) => {
  const other = await makeUser(server.db, { username: `taken-${server.store}` });
  const { tokens } = await signIn(server);
  const change = (json: unknown) => api(server, 'PATCH /me', tokens.access_token, { json });
  for (const username of [other.username, other.username.toUpperCase(), other.username.replace('t', 'ｔ')]) {
    assertRefused(t, await change({ username }), { status: 409, error: 'username_taken' }, username);
  }
});

const counted = { RATE_LIMITS: 'memory' };

testOnOwnServers('a user can try only a few usernames an hour', counted, async (t, server) => {
  const other = await makeUser(server.db);
  const { client, user, tokens } = await signIn(server);
  const change = (json: unknown, token = tokens.access_token) => api(server, 'PATCH /me', token, { json });
  const statuses: number[] = [];
  for (let i = 0; i < 12; i += 1)
    statuses.push((await change({ username: i % 2 ? `free-${i}` : other.username })).status);
  t.deepEqual(statuses, [...Array(5).fill([409, 200]).flat(), 429, 429]);
  const again = await signIn(server, { user: { ...user, username: 'free-9' }, client });
  t.is(
    (await change({ username: 'free' }, again.tokens.access_token)).status,
    429,
    'the limit holds for other sessions of the user too',
  );
  const stranger = await signIn(server);
  t.is((await change({ username: 'free' }, stranger.tokens.access_token)).status, 200);
});

testOnOwnServers(
  'a username change that fails through an error of the server is not counted',
  counted,
  async (t, server) => {
    const { tokens } = await signIn(server);
    const change = () => api(server, 'PATCH /me', tokens.access_token, { json: { username: 'renamed' } });
    await server.db.schema.alterTable('audit_events', (table) => table.renameColumn('reason', 'away'));
    for (let i = 0; i < 12; i += 1) t.is((await change()).status, 500);
    await server.db.schema.alterTable('audit_events', (table) => table.renameColumn('away', 'reason'));
    t.is((await change()).status, 200);
  },
);

testOnServers('a user cannot change their own roles, permissions or status', async (t, server) => {
  const { user, tokens } = await signIn(server);
  const row = await rowOf(server.db('users').where({ id: user.id }).first());
  const wishes = {
    roles: ['admin'],
    permissions: ['*'],
    status: 'active',
    tenant_id: 'other',
    token_version: 0,
    id: user.id,
    password_hash: 'x',
    password: 'x',
    username_key: 'x',
    ban_expires_at: null,
  };
  for (const [name, value] of Object.entries(wishes)) {
    const json = { username: 'harmless', [name]: value };
    assertRefused(t, await api(server, 'PATCH /me', tokens.access_token, { json }), invalid, name);
  }
  t.deepEqual(await server.db('users').where({ id: user.id }).first(), row);
  t.deepEqual((await introspect(server, tokens.access_token)).roles, []);
});

testOnServers('unsafe usernames are refused', async (t, server) => {
  const { tokens } = await signIn(server);
  const usernames = [
    'x',
    'x'.repeat(65),
    'a b',
    'a@b',
    'pаypal',
    'a\u200bb',
    'a\u0000b',
    '<b>',
    '',
    'a\u202eb',
    '日本語'.repeat(30),
  ];
  const bodies = usernames.map((username) => ({ username }));
  for (const json of bodies) {
    const answer = await api(server, 'PATCH /me', tokens.access_token, { json });
    assertRefused(t, answer, invalid, JSON.stringify(json));
  }
});

testOnServers('every profile route requires a token with the scope account', async (t, server) => {
  const { tokens } = await signIn(server, { form: { scope: 'openid' } });
  for (const line of ['GET /me', 'PATCH /me', 'POST /me/password']) {
    assertRefused(t, await api(server, line), { status: 401, error: 'invalid_token' }, line);
    const refused = await api(server, line, tokens.access_token);
    assertRefused(t, refused, { status: 403, error: 'insufficient_scope' }, line);
  }
});

testOnOwnServers(
  'where no mail can be sent, nobody asks for an address',
  { RECOVERY: 'off' },
  async (t, server) => {
    const { tokens } = await signIn(server);
    const json = { email: 'unmailed@x.example', current_password: password };
    const asked = await api(server, 'POST /me/email', tokens.access_token, { json });
    assertRefused(t, asked, { status: 404, error: 'not_found' });
    t.deepEqual(await server.db('one_time_codes'), []);
  },
);
