// Ban, disable, delete, force-logout and their undoing: what each ends, and what it answers.
import { findUser } from '../../../../src/core/users/users.ts';
import { enterAsAdmin, post, trailOf } from '../../../helpers/admin.ts';
import { makeUser } from '../../../helpers/builders.ts';
import { type Answer, assertRefused, granted, type Json } from '../../../helpers/client.ts';
import { api, isActive, login, refresh, type SignedIn, signIn, tokensOf } from '../../../helpers/oauth.ts';
import { type TestServer, testOnServers } from '../../../helpers/server.ts';

const malformed = { status: 400, error: 'invalid_request' };
const wrongStatus = { status: 409, error: 'wrong_status' };
const wrongGrant = { status: 400, error: 'invalid_grant' };

const statuses = { ban: 'banned', disable: 'disabled', delete: 'deleted' } as const;
const verbs = ['ban', 'disable', 'delete'] as const;

/** One user, logged in twice. */
async function signInTwice(server: TestServer): Promise<[SignedIn, SignedIn]> {
  const first = await signIn(server, { form: { device_id: 'phone', push_token: 'push-1' } });
  return [
    first,
    await signIn(server, { user: first.user, form: { device_id: 'tablet', push_token: 'push-2' } }),
  ];
}

/** The members of an answer that the tests compare. */
function outcome({ status, body }: Answer): Json {
  const { user, sessions_ended } = body as { user?: Json; sessions_ended?: number };
  return { status, sessions_ended, now: user?.status };
}

for (const verb of verbs) {
  testOnServers(`${verb} ends the sessions of the user and answers how many`, async (t, server) => {
    const admin = await enterAsAdmin(server);
    const both = await signInTwice(server);
    const { user, client } = both[0];
    const bystander = await signIn(server);
    const path = `/users/${user.id}/${verb}`;
    for (const wrong of [
      {},
      { reason: '' },
      { reason: 'x'.repeat(501) },
      { reason: 7 },
      { reason: 'nul\0' },
    ]) {
      assertRefused(t, await post(server, admin, path, wrong), malformed, JSON.stringify(wrong));
    }
    t.is(await isActive(server, both[0].tokens.access_token), true, 'a refused request did nothing');
    const done = outcome(await post(server, admin, path, { reason: 'spam' }));
    t.deepEqual(done, { status: 200, sessions_ended: 2, now: statuses[verb] });
    const reason = `account_${statuses[verb]}`;
    for (const { tokens, client: own } of both) {
      t.is(await isActive(server, tokens.access_token), false);
      t.is((await api(server, 'GET /me', tokens.access_token)).status, 401);
      assertRefused(t, await refresh(server, own, tokens.refresh_token), { ...wrongGrant, reason });
    }
    const again = await login(server, user, client);
    assertRefused(t, again, verb === 'delete' ? wrongGrant : { ...wrongGrant, reason });
    const rows = await server.db('sessions').where({ user_id: user.id });
    t.deepEqual(
      rows.map(({ ended_reason, ended_by, ended_by_id }) => [ended_reason, ended_by, ended_by_id]),
      [0, 1].map(() => [`user_${statuses[verb]}`, 'admin', admin.user.id]),
    );
    t.deepEqual(await server.db('devices').where({ user_id: user.id }).whereNotNull('push_token'), []);
    t.is(await isActive(server, bystander.tokens.access_token), true);
  });
}

testOnServers('force-logout ends all sessions of a user, and the next login succeeds', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const both = await signInTwice(server);
  const { user, client } = both[0];
  const path = `/users/${user.id}/force-logout`;
  assertRefused(t, await post(server, admin, path), malformed);
  t.deepEqual(granted(await post(server, admin, path, { reason: 'lost phone' })), { sessions_ended: 2 });
  for (const { tokens, client: own } of both) {
    t.is(await isActive(server, tokens.access_token), false);
    const refused = { ...wrongGrant, reason: 'session_ended' };
    assertRefused(t, await refresh(server, own, tokens.refresh_token), refused);
  }
  t.deepEqual(await server.db('devices').where({ user_id: user.id }).whereNotNull('push_token'), []);
  t.is((await login(server, user, client)).status, 200);
  t.deepEqual(granted(await post(server, admin, path, { reason: 'again' })), { sessions_ended: 1 });
  t.deepEqual(granted(await post(server, admin, path, { reason: 'and again' })), { sessions_ended: 0 });
  const trail = await trailOf(server, admin, `user_id=${user.id}&type=user_logged_out`);
  t.deepEqual(
    trail.map((event) => [event.reason, event.detail]),
    [
      ['lost phone', { sessions_ended: 2 }],
      ['again', { sessions_ended: 1 }],
      ['and again', { sessions_ended: 0 }],
    ],
  );
});

testOnServers(
  'undoing a status makes the user active again, and ended sessions stay ended',
  async (t, server) => {
    const admin = await enterAsAdmin(server);
    for (const [verb, undo] of [
      ['ban', 'unban'],
      ['disable', 'enable'],
    ] as const) {
      const { user, client, tokens } = await signIn(server);
      await post(server, admin, `/users/${user.id}/${verb}`, { reason: 'first', message: 'Call us.' });
      const undone = await post(server, admin, `/users/${user.id}/${undo}`);
      t.deepEqual(outcome(undone), { status: 200, sessions_ended: 0, now: 'active' });
      t.like(undone.body.user, { status_reason: null, status_message: null, ban_expires_at: null });
      const refused = { ...wrongGrant, reason: 'session_ended' };
      assertRefused(t, await refresh(server, client, tokens.refresh_token), refused);
      t.is((await login(server, user, client)).status, 200);
      t.is((await post(server, admin, `/users/${user.id}/${undo}`)).status, 200, 'a repetition succeeds');
    }
  },
);

testOnServers(
  'unban does not enable a disabled user, and a ban does not make one active',
  async (t, server) => {
    const admin = await enterAsAdmin(server);
    const { id } = await makeUser(server.db);
    const act = async (verb: string, json: Json = { reason: 'because' }) =>
      await post(server, admin, `/users/${id}/${verb}`, json);
    t.is((await act('disable')).status, 200);
    assertRefused(t, await act('unban'), wrongStatus);
    assertRefused(
      t,
      await act('ban', { reason: 'because', expires_at: '2999-01-01T00:00:00Z' }),
      wrongStatus,
    );
    t.like(await findUser(server.db, id), { status: 'disabled', ban_expires_at: null });
    t.is((await act('enable')).status, 200);
    t.is((await act('ban')).status, 200);
    assertRefused(t, await act('enable'), wrongStatus);
    t.is((await act('disable')).status, 200, 'a banned user may be disabled');
    t.is((await act('delete')).status, 200);
    for (const verb of ['ban', 'unban', 'disable', 'enable', 'delete']) {
      assertRefused(t, await act(verb), { status: 404, error: 'not_found' }, verb);
    }
  },
);

testOnServers('a ban ends at a time with any offset, and is answered in UTC', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const { user } = await signIn(server);
  const ends = {
    '2999-01-01T00:00:00+00:00': '2999-01-01T00:00:00.000Z',
    '2999-01-01T02:30:00.25+02:30': '2999-01-01T00:00:00.250Z',
    '2998-12-31T16:00:00-08:00': '2999-01-01T00:00:00.000Z',
    '2999-01-01t00:00:00z': '2999-01-01T00:00:00.000Z',
  };
  for (const [expires_at, expected] of Object.entries(ends)) {
    const { body } = await post(server, admin, `/users/${user.id}/ban`, { reason: 'spam', expires_at });
    t.like(body.user, { ban_expires_at: expected }, expires_at);
  }
  for (const expires_at of ['2999-01-01T00:00:00', '2999-01-01T00:00:00+25:00', '2999-01-01T00:00:00+0000']) {
    const answer = await post(server, admin, `/users/${user.id}/ban`, { reason: 'spam', expires_at });
    assertRefused(t, answer, malformed, expires_at);
  }
  const past = await post(server, admin, `/users/${user.id}/ban`, {
    reason: 'spam',
    expires_at: '2020-01-01T00:00:00+01:00',
  });
  assertRefused(t, past, malformed);
});

testOnServers('a ban with an expiry ends by itself', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const { user, client, tokens } = await signIn(server);
  const path = `/users/${user.id}/ban`;
  for (const expires_at of ['tomorrow', '2030-01-01', 1_900_000_000, '2030-02-31T00:00:00Z']) {
    const wrong = { reason: 'spam', expires_at };
    assertRefused(t, await post(server, admin, path, wrong), malformed, String(expires_at));
  }
  const expires_at = '2999-12-31T23:59:59.000Z';
  const { body } = await post(server, admin, path, { reason: 'spam', expires_at });
  t.like(body.user, { status: 'banned', status_reason: 'spam', ban_expires_at: expires_at });
  const banned = { ...wrongGrant, reason: 'account_banned' };
  assertRefused(t, await login(server, user, client), banned);
  await server
    .db('users')
    .where({ id: user.id })
    .update({ ban_expires_at: new Date(Date.now() - 1) });
  const next = tokensOf(await login(server, user, client));
  t.is(await isActive(server, next.access_token), true);
  t.is((await refresh(server, client, next.refresh_token)).status, 200);
  const ended = { ...wrongGrant, reason: 'session_ended' };
  assertRefused(t, await refresh(server, client, tokens.refresh_token), ended);
  t.is(await isActive(server, tokens.access_token), false);
});
