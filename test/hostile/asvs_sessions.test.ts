// OWASP ASVS 5.0, chapter V7: the points that no other test covers. docs/security.md has the table of all points.
import { makeUser, password } from '../helpers/builders.ts';
import { granted } from '../helpers/client.ts';
import { logIn, setUpScene, startRequest, typePassword } from '../helpers/code_flow.ts';
import { api, signIn } from '../helpers/oauth.ts';
import { makeResourceServer } from '../helpers/resources.ts';
import { type TestServer, testOnOwnServers, testOnServers } from '../helpers/server.ts';
import { until } from '../helpers/until.ts';
import { formOf, openUserAgent, type Page, textOf, type UserAgent } from '../helpers/user_agent.ts';

const sessionCookie = 'kindred_session;/';

async function signInAtAccount(server: TestServer) {
  const ua = openUserAgent(server.url);
  const user = await makeUser(server.db);
  const login = await ua.open(`${server.url}/account`);
  const account = await ua.submit(login, '/account/login', { username: user.username, password });
  return { ua, user, account };
}

/** The account page for a browser with these cookies only. */
async function openWith(server: TestServer, cookies: UserAgent['cookies']): Promise<Page> {
  const thief = openUserAgent(server.url);
  for (const [name, cookie] of cookies) thief.cookies.set(name, cookie);
  return await thief.open(`${server.url}/account`);
}

testOnServers('ASVS 7.2.2: two logins have no token or id in common', async (t, server) => {
  const first = await signIn(server);
  const second = await signIn(server, first);
  t.not(first.tokens.access_token, second.tokens.access_token);
  t.not(first.tokens.refresh_token, second.tokens.refresh_token);
  t.not(first.tokens.session_id, second.tokens.session_id);
});

testOnServers(
  'ASVS 7.2.3: every session identifier has at least 128 random bits and is unique',
  async (t, server) => {
    const { form } = await makeResourceServer(server, 'opaque');
    const signedIn = await signIn(server, { form });
    const values: string[] = [];
    for (let i = 0; i < 6; i += 1)
      values.push((await signIn(server, { ...signedIn, form })).tokens.access_token);
    for (let i = 0; i < 3; i += 1) {
      const { ua } = await signInAtAccount(server);
      values.push(ua.cookies.get(sessionCookie)?.value ?? '');
    }
    for (const value of values) t.regex(value, /^[\w-]{22,}$/);
    // Nine tokens of 22 random characters: two share their first six characters once in two billion runs.
    t.is(new Set(values.map((value) => value.slice(0, 6))).size, values.length);
  },
);

testOnServers(
  'ASVS 7.2.4: a repeated login replaces the cookie, and the old cookie is void',
  async (t, server) => {
    const scene = await setUpScene(server, { client: { first_party: true } });
    await logIn(scene);
    const before = new Map(scene.ua.cookies);
    t.regex(textOf(await openWith(server, before)), /Your account/);
    const page = await scene.ua.open((await startRequest(scene, { prompt: 'login' })).url.href);
    await typePassword(scene.ua, page, scene.user);
    t.not(scene.ua.cookies.get(sessionCookie)?.value, before.get(sessionCookie)?.value);
    t.regex(textOf(await openWith(server, before)), /Sign in/);
    t.regex(textOf(await openWith(server, scene.ua.cookies)), /Your account/);
  },
);

testOnOwnServers(
  'ASVS 7.3.2: a browser in constant use must still log in again at the absolute expiry',
  { SESSION_ABSOLUTE_TTL: '8' },
  async (t, server) => {
    const scene = await setUpScene(server, { client: { first_party: true } });
    const started = Date.now();
    const { url } = await startRequest(scene);
    const page = await scene.ua.open(url.href);
    await typePassword(scene.ua, page, scene.user);
    const signedIn = Date.now();
    t.truthy(scene.ua.cookies.get(sessionCookie));
    const isIn = async () => /code=/.test((await scene.ua.open(url.href)).location ?? '');
    await until(async () => {
      const asked = Date.now();
      const answer = await isIn();
      if (answer) t.true(asked < signedIn + 9_000, 'use does not extend it');
      else t.true(Date.now() > started + 7_000, 'not before its time');
      return !answer;
    }, 'the browser has to sign in again');
  },
);

testOnServers(
  'ASVS 7.4.1: after logging out, neither the old cookie nor the back button shows the account',
  async (t, server) => {
    const { ua, account } = await signInAtAccount(server);
    t.is(account.headers.get('cache-control'), 'no-store');
    const kept = new Map(ua.cookies);
    t.regex(textOf(await ua.submit(account, '/account/logout')), /signed out/i);
    t.is(ua.cookies.get(sessionCookie), undefined);
    t.regex(textOf(await openWith(server, kept)), /Sign in/);
  },
);

testOnServers('ASVS 7.4.4: the account page and the consent page offer to sign out', async (t, server) => {
  const { account } = await signInAtAccount(server);
  t.regex(account.text, /<button[^>]*>Sign out<\/button>/);
  t.truthy(formOf(account, '/account/logout'));
  const scene = await setUpScene(server);
  const consent = await typePassword(
    scene.ua,
    await scene.ua.open((await startRequest(scene)).url.href),
    scene.user,
  );
  t.truthy(formOf(consent, '/switch'));
});

testOnServers('ASVS 7.5.2: a user sees every session and browser, and ends each', async (t, server) => {
  const { ua, user } = await signInAtAccount(server);
  const one = await signIn(server, { user });
  const other = await signIn(server, { user });
  const page = await ua.open(`${server.url}/account`);
  for (const { tokens } of [one, other]) {
    t.is((await api(server, 'GET /sessions', tokens.access_token)).status, 200);
    await ua.submit(page, `/sessions/${tokens.session_id}/end`);
    t.is((await api(server, 'GET /sessions', tokens.access_token)).status, 401);
  }
  const { tokens } = await signIn(server, { user });
  const { browser_sessions } = granted(await api(server, 'GET /browser-sessions', tokens.access_token)) as {
    browser_sessions: { id: string }[];
  };
  t.is(browser_sessions.length, 1);
  const ended = await api(server, `DELETE /browser-sessions/${browser_sessions[0]?.id}`, tokens.access_token);
  t.is(ended.status, 204);
  t.regex(textOf(await ua.open(`${server.url}/account`)), /Sign in/);
});

testOnServers('ASVS 7.5.3: a stolen session cannot change the password', async (t, server) => {
  const { tokens } = await signIn(server);
  for (const current_password of ['', 'a wrong one']) {
    const json = { current_password, new_password: 'another horse, another staple' };
    const answer = await api(server, 'POST /me/password', tokens.access_token, { json });
    t.true([400, 403].includes(answer.status));
  }
  const without = { json: { new_password: 'another horse, another staple' } };
  t.is((await api(server, 'POST /me/password', tokens.access_token, without)).status, 400);
});

testOnServers('ASVS 7.6.2: a browser without a login gets no session on its own', async (t, server) => {
  const scene = await setUpScene(server, { client: { first_party: true } });
  const silent = await scene.ua.send((await startRequest(scene, { prompt: 'none' })).url.href);
  t.regex(silent.location ?? '', /error=login_required/);
  const foreign = await setUpScene(server);
  const signed = await setUpScene(server, { ua: foreign.ua, user: foreign.user });
  await logIn(foreign);
  const unasked = await signed.ua.send((await startRequest(signed, { prompt: 'none' })).url.href);
  t.regex(unasked.location ?? '', /error=(consent|interaction)_required/);
  t.deepEqual(await server.db('sessions').where({ client_id: signed.client_id }), []);
});
