// The caller's sessions: list, read, end.
import { newId } from '../../../src/lib/ids.ts';
import { makeClient, makeUser, type NamedUser } from '../../helpers/builders.ts';
import { assertRefused, granted, type Json } from '../../helpers/client.ts';
import { api, isActive, refresh, revoke, type SignedIn, signIn, tokensOf } from '../../helpers/oauth.ts';
import { rowOf, rowsOf } from '../../helpers/rows.ts';
import { type TestServer, testOnServers } from '../../helpers/server.ts';
import { assertEnded, phone, pushTokenOf, readStory } from '../../helpers/sessions.ts';

const nothing = { status: 404, error: 'not_found' };
const ended = { status: 400, error: 'invalid_grant', reason: 'session_ended' };
const agent = (name: string) => ({ headers: { 'User-Agent': name } });

async function list(
  server: TestServer,
  { tokens }: SignedIn,
  query = '',
): Promise<Json & { sessions: Json[] }> {
  return granted(await api(server, `GET /sessions${query}`, tokens.access_token)) as Json & {
    sessions: Json[];
  };
}

async function sessionRow(server: TestServer, { tokens }: SignedIn) {
  return await rowOf(server.db('sessions').where({ id: tokens.session_id }).first());
}

async function signInOften(server: TestServer, user: NamedUser, times: number): Promise<SignedIn[]> {
  const client = await makeClient(server.db);
  const all: SignedIn[] = [];
  for (let i = 0; i < times; i += 1) all.push(await signIn(server, { user, client }));
  return all;
}

testOnServers('the list has my live sessions, last used first, with all members', async (t, server) => {
  const user = await makeUser(server.db);
  const client = await makeClient(server.db, { client_name: 'My app' });
  const first = await signIn(server, { user, client, form: phone, extra: agent('phone/1') });
  const second = await signIn(server, { user, extra: agent('laptop/1') });
  const over = await signIn(server, { user });
  await revoke(server, over.tokens.refresh_token, over.client);
  await signIn(server);
  tokensOf(await refresh(server, client, first.tokens.refresh_token, {}, agent('phone/2')));

  const [device] = await rowsOf(server.db('devices').where({ user_id: user.id }));
  const [one, two] = [await sessionRow(server, first), await sessionRow(server, second)];
  const moments = (row: typeof one) => ({
    created_at: row.created_at.toISOString(),
    last_used_at: row.last_used_at.toISOString(),
    expires_at: new Date(row.last_used_at.getTime() + 604_800_000).toISOString(),
  });
  t.deepEqual(await list(server, second), {
    sessions: [
      {
        id: first.tokens.session_id,
        client: { client_id: client.client_id, client_name: 'My app' },
        device: { id: device.id, device_id: 'phone', name: 'My phone', platform: 'ios', app_version: '1.0' },
        ip: '127.0.0.1',
        user_agent: 'phone/2',
        last_ip: '127.0.0.1',
        last_user_agent: 'phone/2',
        ...moments(one),
        is_current: false,
      },
      {
        id: second.tokens.session_id,
        client: { client_id: second.client.client_id, client_name: null },
        device: null,
        ip: '127.0.0.1',
        user_agent: 'laptop/1',
        last_ip: '127.0.0.1',
        last_user_agent: 'laptop/1',
        ...moments(two),
        is_current: true,
      },
    ],
    next_cursor: null,
  });
});

testOnServers('the pages of the list contain every session once', async (t, server) => {
  const all = await signInOften(server, await makeUser(server.db), 5);
  const [reader] = all as [SignedIn];
  // Three of them were last used in the same millisecond.
  const same = all.slice(1, 4).map(({ tokens }) => tokens.session_id);
  await server.db('sessions').whereIn('id', same).update({ last_used_at: new Date() });
  const whole = (await list(server, reader)).sessions;
  for (const limit of [1, 2, 3, 4]) {
    const seen: Json[] = [];
    for (let cursor: unknown = ''; cursor !== null; ) {
      const page = await list(server, reader, `?limit=${limit}${cursor && `&cursor=${cursor}`}`);
      t.true(page.sessions.length <= limit);
      seen.push(...page.sessions);
      cursor = page.next_cursor;
    }
    t.deepEqual(seen, whole, `limit ${limit}`);
  }
  t.is(whole.length, 5);
});

testOnServers("another user's session is not found", async (t, server) => {
  const me = await signIn(server);
  const stranger = await signIn(server);
  const { session_id } = stranger.tokens;
  const { access_token } = me.tokens;
  assertRefused(t, await api(server, `GET /sessions/${session_id}`, access_token), nothing);
  assertRefused(t, await api(server, `DELETE /sessions/${session_id}`, access_token), nothing);
  assertRefused(t, await api(server, 'POST /logout', access_token, { json: { session_id } }), nothing);
  t.is(await isActive(server, stranger.tokens.access_token), true);
  tokensOf(await refresh(server, stranger.client, stranger.tokens.refresh_token));
});

testOnServers(
  'a session that I end stops working at once, and ending it again succeeds',
  async (t, server) => {
    const me = await signIn(server);
    const lost = await signIn(server, { ...me, form: phone });
    const path = `DELETE /sessions/${lost.tokens.session_id}`;
    const answer = await api(server, path, me.tokens.access_token, agent('laptop/1'));
    t.deepEqual([answer.status, answer.text], [204, '']);
    t.is(await isActive(server, lost.tokens.access_token), false);
    assertRefused(t, await refresh(server, lost.client, lost.tokens.refresh_token), ended);
    const refused = await api(server, 'GET /me', lost.tokens.access_token);
    assertRefused(t, refused, { status: 401, error: 'invalid_token' });
    t.is(await pushTokenOf(server, lost), null);

    const story = await readStory(server, me, lost);
    t.is((await api(server, path, me.tokens.access_token)).status, 204);
    t.deepEqual(await readStory(server, me, lost), story, 'the events remain');
    assertEnded(t, story, 'ended_by_user', 'user');
  },
);

testOnServers(
  'ending an ended session again keeps the push token of a newer session on its device',
  async (t, server) => {
    const me = await signIn(server);
    const before = await signIn(server, { ...me, form: phone });
    const path = `DELETE /sessions/${before.tokens.session_id}`;
    await api(server, path, me.tokens.access_token);
    await signIn(server, { ...me, form: { ...phone, push_token: 'fresh' } });
    t.is((await api(server, path, me.tokens.access_token)).status, 204);
    t.is(await pushTokenOf(server, me), 'fresh');
  },
);

testOnServers('a live session shows its last eight rotations, newest first', async (t, server) => {
  const me = await signIn(server, { extra: agent('app/0') });
  let { refresh_token } = me.tokens;
  for (let i = 1; i <= 12; i += 1) {
    refresh_token = tokensOf(
      await refresh(server, me.client, refresh_token, {}, agent(`app/${i}`)),
    ).refresh_token;
  }
  const { rotations, generation, ended_at, ended_reason, ended_by, ...rest } = await readStory(
    server,
    me,
    me,
  );
  t.deepEqual(
    { generation, ended_at, ended_reason, ended_by },
    { generation: 12, ended_at: null, ended_reason: null, ended_by: null },
  );
  t.deepEqual(rest, (await list(server, me)).sessions[0]);
  const told = rotations as Json[];
  t.deepEqual(
    told.map(({ at: _, ...where }) => where),
    Array.from({ length: 8 }, (_, i) => ({ ip: '127.0.0.1', user_agent: `app/${12 - i}` })),
  );
  const times = told.map(({ at }) => Date.parse(String(at)));
  t.deepEqual(
    times,
    times.toSorted((a, b) => b - a),
  );
});

testOnServers('an ended session says why it ended, when and by whom', async (t, server) => {
  const me = await signIn(server);
  const open = async () => await signIn(server, me);

  const stolen = await open();
  tokensOf(await refresh(server, stolen.client, stolen.tokens.refresh_token));
  await refresh(server, stolen.client, stolen.tokens.refresh_token);
  me.tokens = tokensOf(await refresh(server, me.client, me.tokens.refresh_token));
  assertEnded(t, await readStory(server, me, stolen), 'reuse_detected', 'system');

  const revoked = await open();
  await revoke(server, revoked.tokens.refresh_token, revoked.client);
  assertEnded(t, await readStory(server, me, revoked), 'token_revoked', 'client');

  const left = await open();
  granted(await api(server, 'POST /logout', left.tokens.access_token));
  assertEnded(t, await readStory(server, me, left), 'logout', 'user');

  const expired = await open();
  const last_used_at = new Date(Date.now() - 604_800_000 - 5_000);
  await server.db('sessions').where({ id: expired.tokens.session_id }).update({ last_used_at });
  assertEnded(t, await readStory(server, me, expired), 'expired', 'system');
});

testOnServers('every session route requires a token with the scope account', async (t, server) => {
  const { user, tokens } = await signIn(server, { form: { scope: 'openid' } });
  const own = `/sessions/${tokens.session_id}`;
  for (const line of ['GET /sessions', `GET ${own}`, `DELETE ${own}`, 'POST /logout']) {
    assertRefused(t, await api(server, line), { status: 401, error: 'invalid_token' }, line);
    const weak = await api(server, line, tokens.access_token);
    assertRefused(t, weak, { status: 403, error: 'insufficient_scope' }, line);
    t.is(
      weak.headers['www-authenticate'],
      `Bearer realm="${server.issuer}", resource_metadata="${server.issuer}/.well-known/oauth-protected-resource/api", error="insufficient_scope", scope="account"`,
    );
  }
  t.is((await server.db('sessions').where({ user_id: user.id }).whereNull('ended_at')).length, 1);
});

// The list checks in its own statement that the caller's token is live.
testOnServers(
  'the list answers only invalid_token to a token that is no longer live, for any reason',
  async (t, server) => {
    const { db } = server;
    const ways: Record<string, (one: SignedIn) => PromiseLike<unknown>> = {
      'its session was ended': ({ tokens }) => api(server, 'POST /logout', tokens.access_token, {}),
      'it was revoked': ({ tokens, client }) => revoke(server, tokens.access_token, client),
      'its user is disabled': ({ user }) => db('users').where({ id: user.id }).update({ status: 'disabled' }),
      'its user moved on': ({ user }) => db('users').where({ id: user.id }).increment('token_version'),
      'its session expired': ({ tokens }) =>
        db('sessions')
          .where({ id: tokens.session_id })
          .update({ absolute_expires_at: new Date(Date.now() - 1_000) }),
      'its session is gone': ({ tokens }) => db('sessions').where({ id: tokens.session_id }).delete(),
    };
    const cursor = Buffer.from(JSON.stringify([new Date().toISOString(), newId()])).toString('base64url');
    const queries = ['', '?limit=1', '?limit=0', '?cursor=x', `?cursor=${cursor}`, '?whatever=1'];
    for (const [way, die] of Object.entries(ways)) {
      const user = await makeUser(db);
      const one = await signIn(server, { user });
      // The token of another session of the user stays live.
      const other = await signIn(server, { user });
      t.is((await list(server, one)).sessions.length, 2);
      await die(one);
      for (const query of queries) {
        const answer = await api(server, `GET /sessions${query}`, one.tokens.access_token);
        assertRefused(t, answer, { status: 401, error: 'invalid_token' }, `${way}: ${query}`);
        t.regex(String(answer.headers['www-authenticate']), /error="invalid_token"/);
      }
      if (!/user/.test(way)) t.true((await list(server, other)).sessions.length > 0, way);
    }
  },
);

testOnServers(
  'a token without the scope gets insufficient_scope, unless it is no longer live',
  async (t, server) => {
    const { tokens } = await signIn(server, { form: { scope: 'openid' } });
    const ask = () => api(server, 'GET /sessions', tokens.access_token);
    const refused = await ask();
    assertRefused(t, refused, { status: 403, error: 'insufficient_scope' });
    t.regex(String(refused.headers['www-authenticate']), /scope="account"/);
    await server.db('sessions').where({ id: tokens.session_id }).delete();
    assertRefused(t, await ask(), { status: 401, error: 'invalid_token' });
  },
);
