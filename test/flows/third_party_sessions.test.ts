// Logins by code as sessions, and the browser sessions in which they were made.
import * as oidc from 'openid-client';
import { enterAsAdmin, post } from '../helpers/admin.ts';
import { makeUser, type NamedUser } from '../helpers/builders.ts';
import { granted } from '../helpers/client.ts';
import {
  getCode,
  logIn,
  type Scene,
  secret,
  sentTo,
  setUpScene,
  startRequest,
  typePassword,
} from '../helpers/code_flow.ts';
import { api, isActive, refresh, signIn } from '../helpers/oauth.ts';
import { rowOf } from '../helpers/rows.ts';
import { type TestServer, testOnServers } from '../helpers/server.ts';
import { openUserAgent, textOf } from '../helpers/user_agent.ts';

/** A login at a first-party app, whose token the API calls use. */
async function enter(server: TestServer, user: NamedUser): Promise<string> {
  return (await signIn(server, { user })).tokens.access_token;
}

async function listIds(
  server: TestServer,
  me: string,
  of: 'sessions' | 'browser-sessions',
): Promise<string[]> {
  const body = granted(await api(server, `GET /${of}`, me));
  return (body[of.replace('-', '_')] as { id: string }[]).map(({ id }) => id);
}

/** Whether the next request of the client finds the user signed in. */
async function isSignedIn(scene: Scene): Promise<boolean> {
  const { url } = await startRequest(scene, { prompt: 'none' });
  return sentTo(await scene.ua.send(url.href)).searchParams.get('error') !== 'login_required';
}

const reasonOf = async (server: TestServer, id: string) =>
  (await server.db('sessions').where({ id }).first())?.ended_reason;

testOnServers('each login by code opens a session with a family of its own', async (t, server) => {
  const scene = await setUpScene(server);
  const { user, config, client_id } = scene;
  const me = await enter(server, user);
  const [first, second] = [await logIn(scene), await logIn(scene)];
  t.not(first.session_id, second.session_id);
  const listed = granted(await api(server, 'GET /sessions', me)).sessions as Record<string, unknown>[];
  const one = listed.find(({ id }) => id === first.session_id);
  t.like(one, { id: first.session_id, client: { client_id, client_name: 'Web app' }, is_current: false });
  const rotated = await oidc.refreshTokenGrant(config, first.refresh_token ?? '');
  t.not(rotated.refresh_token, first.refresh_token);
  const auth = { client_id, client_secret: secret };
  const basic = { headers: { authorization: `Basic ${btoa(`${client_id}:${secret}`)}` } };
  t.is((await refresh(server, { client_id: '' }, '', {}, basic)).status, 400);
  const reused = await refresh(server, { client_id }, first.refresh_token ?? '', {}, basic);
  t.deepEqual([reused.status, reused.body.reason], [400, 'token_reused']);
  t.is(auth.client_id, client_id);
  t.deepEqual(
    [await reasonOf(server, first.session_id), await reasonOf(server, second.session_id)],
    ['reuse_detected', null],
  );
  await oidc.refreshTokenGrant(config, second.refresh_token ?? '');
});

testOnServers('a code that is never exchanged leaves no live session', async (t, server) => {
  const scene = await setUpScene(server);
  const { code } = await getCode(scene);
  t.truthy(code);
  const row = await rowOf(server.db('sessions').where({ client_id: scene.client_id }).first());
  t.true(row.idle_ttl <= 90, `${row.idle_ttl} s`);
  const past = new Date(Date.now() - 100_000);
  await server.db('sessions').where({ id: row.id }).update({ last_used_at: past });
  const me = await enter(server, scene.user);
  t.false((await listIds(server, me, 'sessions')).includes(row.id));
});

testOnServers('a signed-in browser is listed and can be signed out', async (t, server) => {
  const scene = await setUpScene(server, {
    ua: openUserAgent(server.url, { 'user-agent': 'Mozilla/5.0 of these tests' }),
  });
  const { user } = scene;
  const tokens = await logIn(scene);
  const me = await enter(server, user);
  const [listed, ...others] = granted(await api(server, 'GET /browser-sessions', me))
    .browser_sessions as Record<string, unknown>[];
  t.deepEqual(others, []);
  t.like(listed, { ip: '127.0.0.1', user_agent: 'Mozilla/5.0 of these tests' });
  t.deepEqual(Object.keys(listed ?? {}), ['id', 'ip', 'user_agent', 'created_at', 'expires_at']);

  const line = `DELETE /browser-sessions/${listed?.id}`;
  const stranger = await enter(server, await makeUser(server.db));
  t.is((await api(server, line, stranger)).status, 404);
  t.is((await api(server, line)).status, 401);
  t.true(await isSignedIn(scene));
  t.is((await api(server, line, me)).status, 204);
  t.false(await isSignedIn(scene));
  t.false(await isActive(server, tokens.access_token));
  t.is(await reasonOf(server, tokens.session_id), 'ended_by_user');
  t.is((await api(server, line, me)).status, 404);
});

testOnServers('logging out everywhere ends the browser session too', async (t, server) => {
  const scene = await setUpScene(server);
  const tokens = await logIn(scene);
  const me = await enter(server, scene.user);
  t.is((await api(server, 'POST /logout', me, { json: { logout_all: true } })).status, 200);
  t.is(await reasonOf(server, tokens.session_id), 'logout_all');
  t.false(await isSignedIn(scene));
});

testOnServers('a banned user is signed out, and sees why after the right password', async (t, server) => {
  const scene = await setUpScene(server);
  const { user, ua } = scene;
  const tokens = await logIn(scene);
  const pending = await getCode(scene);
  const admin = await enterAsAdmin(server);
  const ban = { reason: 'spam', message: 'Please write to us <b>' };
  const banned = await post(server, admin, `/users/${user.id}/ban`, ban);
  t.is(banned.status, 200, banned.text);
  t.is(await reasonOf(server, tokens.session_id), 'user_banned');
  t.false(await isSignedIn(scene));
  const late = oidc.authorizationCodeGrant(scene.config, pending.back, pending.started.checks);
  t.like(await t.throwsAsync(late), { error: 'invalid_grant' } as never);

  const { url } = await startRequest(scene);
  const page = await ua.open(url.href);
  const wrong = await ua.submit(page, '/login', { username: user.username, password: 'wrong' });
  t.regex(textOf(wrong), /Wrong username or password/);
  t.notRegex(textOf(wrong), /banned/);
  const right = await typePassword(ua, wrong, user);
  t.is(right.status, 403);
  t.regex(textOf(right), /This account is banned/);
  t.false(right.text.includes('us <b>'));
  t.is(ua.cookies.get('kindred_session;/') === undefined || !(await isSignedIn(scene)), true);
});

testOnServers('a ban between the login page and the consent leaves no session', async (t, server) => {
  const scene = await setUpScene(server);
  const { user, ua } = scene;
  const { url } = await startRequest(scene);
  const consent = await typePassword(ua, await ua.open(url.href), user);
  const admin = await enterAsAdmin(server);
  t.is((await post(server, admin, `/users/${user.id}/ban`, { reason: 'spam' })).status, 200);
  const done = await ua.submit(consent, '/consent', { decision: 'allow' });
  t.is(done.location, null);
  t.true([200, 400].includes(done.status));
  t.deepEqual(await server.db('sessions').where({ user_id: user.id }), []);
});

testOnServers(
  'of two users in one browser the second gets neither session nor consent of the first',
  async (t, server) => {
    const scene = await setUpScene(server);
    const first = await logIn(scene);
    const other = await makeUser(server.db);
    const { url, checks } = await startRequest(scene, { prompt: 'login' });
    const page = await scene.ua.open(url.href);
    const leaving = await typePassword(scene.ua, page, other);
    const consent = await scene.ua.submit(leaving, '/confirm');
    t.is(await reasonOf(server, first.session_id), 'logout');
    t.regex(textOf(consent), new RegExp(`Signed in as ${other.username}`));
    const back = sentTo(await scene.ua.submit(consent, '/consent', { decision: 'allow' }));
    const tokens = await oidc.authorizationCodeGrant(scene.config, back, checks);
    t.is(tokens.claims()?.sub, other.id);
    const me = await enter(server, other);
    t.is((await listIds(server, me, 'browser-sessions')).length, 1);
    const before = await enter(server, scene.user);
    t.deepEqual(await listIds(server, before, 'browser-sessions'), []);
    const row = await rowOf(
      server
        .db('sessions')
        .where({ id: String(first.session_id) })
        .first(),
    );
    const mine = await rowOf(
      server
        .db('sessions')
        .where({ id: String(tokens.session_id) })
        .first(),
    );
    t.not(row.browser_session, mine.browser_session);
  },
);
