// The caller's own profile: what it shows, what it takes, and what it never takes.
import { makeUser } from '../helpers/builders.ts';
import { assertRefused, granted } from '../helpers/client.ts';
import { api, introspect, login, signIn, tokensOf } from '../helpers/oauth.ts';
import { testOnServers } from '../helpers/server.ts';

const invalid = { status: 400, error: 'invalid_request' };
const person = { roles: ['customer'], permissions: ['orders:read'], tenant_id: 'acme' };

testOnServers('my profile is what the server knows of me, without secrets', async (t, server) => {
  const email = `profile@${server.store}.example`;
  const user = await makeUser(server.db, { ...person, email });
  const { tokens } = await signIn(server, { user });
  const { last_login_at } = await server.db('users').where({ id: user.id }).first();
  t.deepEqual(granted(await api(server, 'GET /me', tokens.access_token)), {
    id: user.id,
    username: user.username,
    email,
    ...person,
    last_login_at: last_login_at.toISOString(),
    created_at: user.created_at.toISOString(),
  });
});

testOnServers('I may change my names, and log in by the new ones', async (t, server) => {
  const { user, client, tokens } = await signIn(server);
  const change = (json: unknown) => api(server, 'PATCH /me', tokens.access_token, { json });
  const before = granted(await api(server, 'GET /me', tokens.access_token));
  const [username, email] = [`Renamed-${server.store}`, `Renamed@${server.store}.example`];
  t.deepEqual(granted(await change({ username })), { ...before, username });
  t.deepEqual(granted(await change({ email })), { ...before, username, email });
  t.deepEqual(granted(await change({})), { ...before, username, email }, 'nothing is a change too');
  for (const name of [username, email]) tokensOf(await login(server, { username: name }, client));
  const old = await login(server, user, client);
  assertRefused(t, old, { status: 400, error: 'invalid_grant' });
  t.is(granted(await change({ email: null })).email, null);
  const events = await server
    .db('audit_events')
    .where({ user_id: user.id, type: 'user_updated' })
    .orderBy('id');
  t.deepEqual(
    events.map(({ actor, actor_id, detail }) => ({ actor, actor_id, detail })),
    [['username'], ['email'], [], ['email']].map((changed) => ({
      actor: 'user',
      actor_id: user.id,
      detail: { changed },
    })),
  );
});

testOnServers('a name that somebody has, in any spelling, is taken', async (t, server) => {
  const email = `taken@${server.store}.example`;
  const other = await makeUser(server.db, { username: `taken-${server.store}`, email });
  const { tokens } = await signIn(server);
  const change = (json: unknown) => api(server, 'PATCH /me', tokens.access_token, { json });
  for (const username of [other.username, other.username.toUpperCase(), other.username.replace('t', 'ｔ')]) {
    assertRefused(t, await change({ username }), { status: 409, error: 'username_taken' }, username);
  }
  const taken = await change({ email: email.toUpperCase() });
  assertRefused(t, taken, { status: 409, error: 'email_taken' });
});

testOnServers('what decides about me is not mine to change', async (t, server) => {
  const { user, tokens } = await signIn(server);
  const row = await server.db('users').where({ id: user.id }).first();
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

testOnServers('names that nobody should have are refused', async (t, server) => {
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
  const emails = [
    'x',
    'x@',
    '@x.y',
    'a b@c.de',
    `${'x'.repeat(250)}@a.de`,
    'a@b',
    'a@b.c\u0000',
    'a@b@c.de',
    '',
  ];
  const bodies = [...usernames.map((username) => ({ username })), ...emails.map((email) => ({ email }))];
  for (const json of bodies) {
    const answer = await api(server, 'PATCH /me', tokens.access_token, { json });
    assertRefused(t, answer, invalid, JSON.stringify(json));
  }
});

testOnServers('all of it wants a token with the scope account', async (t, server) => {
  const { tokens } = await signIn(server, { form: { scope: 'openid' } });
  for (const line of ['GET /me', 'PATCH /me', 'POST /me/password']) {
    assertRefused(t, await api(server, line), { status: 401, error: 'invalid_token' }, line);
    const refused = await api(server, line, tokens.access_token);
    assertRefused(t, refused, { status: 403, error: 'insufficient_scope' }, line);
  }
});
