// Attacks on our pages: forged forms, planted cookies, frames, and HTML in every name that a page shows.
import type { ExecutionContext } from 'ava';
import { createResourceServer } from '../../../src/core/clients/resource_servers.ts';
import { makeUser, password } from '../../helpers/builders.ts';
import {
  logIn,
  openRequest,
  type Scene,
  sentTo,
  setUpScene,
  startRequest,
  typePassword,
} from '../../helpers/code_flow.ts';
import { api, signIn } from '../../helpers/oauth.ts';
import { rowOf } from '../../helpers/rows.ts';
import { type TestServer, testOnServers } from '../../helpers/server.ts';
import { formOf, openUserAgent, type Page, textOf, type UserAgent } from '../../helpers/user_agent.ts';

const cookieOf = (ua: UserAgent) => ua.cookies.get('kindred_session;/')?.value;

async function openConsent(scene: Scene): Promise<Page> {
  return await typePassword(scene.ua, await openRequest(scene), scene.user);
}

/** Posts the form of a page with another CSRF token. */
async function forge(ua: UserAgent, action: string, fields: Record<string, string>, csrf?: string) {
  const body = new URLSearchParams({ ...fields, ...(csrf === undefined ? {} : { csrf }) });
  return await ua.send(action, { method: 'POST', body });
}

async function signInAtAccount(server: TestServer) {
  const ua = openUserAgent(server.url);
  const user = await makeUser(server.db);
  const page = await ua.open(`${server.url}/account`);
  const account = await ua.submit(page, '/account/login', { username: user.username, password });
  return { ua, user, account };
}

testOnServers('no form of an interaction works without its own CSRF token', async (t, server) => {
  const scene = await setUpScene(server);
  const other = await setUpScene(server);
  const { ua, user, client_id } = scene;
  const { url } = await startRequest(scene);
  const login = await ua.open(url.href);
  const foreign = formOf(await other.ua.open((await startRequest(other)).url.href), '/login').fields.csrf;
  const credentials = { username: user.username, password };
  for (const csrf of [undefined, '', 'x', foreign]) {
    for (const action of ['/login', '/cancel']) {
      const answer = await forge(ua, formOf(login, action).action, credentials, csrf);
      t.deepEqual([answer.status, answer.location], [403, null], `${action} ${csrf}`);
    }
  }
  const consent = await typePassword(ua, login, user);
  for (const csrf of [undefined, '', foreign]) {
    for (const action of ['/consent', '/switch']) {
      const answer = await forge(ua, formOf(consent, action).action, { decision: 'allow' }, csrf);
      t.deepEqual([answer.status, answer.location], [403, null], `${action} ${csrf}`);
    }
  }
  t.deepEqual(await server.db('consents').where({ client_id }), []);
  t.deepEqual(await server.db('sessions').where({ client_id }), []);
  const json = await ua.send(formOf(consent, '/consent').action, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...formOf(consent, '/consent').fields, decision: 'allow' }),
  });
  t.is(json.location, null);
});

testOnServers('an interaction belongs to the browser in which it started', async (t, server) => {
  const scene = await setUpScene(server);
  const consent = await openConsent(scene);
  const stranger = openUserAgent(server.url);
  const form = formOf(consent, '/consent');
  const shown = await stranger.open(consent.url);
  t.regex(textOf(shown), /expired|too long|no longer/i);
  t.false(shown.text.includes(scene.user.username));
  const sent = await forge(stranger, form.action, { ...form.fields, decision: 'allow' });
  t.deepEqual([sent.status, sent.location], [400, null]);
  t.deepEqual(await server.db('consents').where({ client_id: scene.client_id }), []);
});

testOnServers('no form of the account page works without the visitor’s own CSRF token', async (t, server) => {
  const mine = await signInAtAccount(server);
  const other = await signInAtAccount(server);
  const { tokens } = await signIn(server, { user: mine.user });
  const page = await mine.ua.open(`${server.url}/account`);
  const foreign = formOf(other.account, '/account/logout').fields.csrf;
  t.true(page.forms.length >= 4);
  for (const { action } of page.forms) {
    for (const csrf of [undefined, '', foreign]) {
      const fields = { current_password: password, new_password: 'a new and long password', name: 'x' };
      const answer = await forge(mine.ua, action, fields, csrf);
      t.is(answer.location, `${server.url}/account`, `${action} ${csrf}`);
      t.regex(textOf(await mine.ua.open(`${server.url}/account`)), /open for too long/, `${action} ${csrf}`);
    }
  }
  t.is((await api(server, 'GET /me', tokens.access_token)).status, 200);
  t.is((await mine.ua.open(`${server.url}/account`)).forms.length, page.forms.length);
});

testOnServers(
  'the account page shows only flash messages that were set in the same browser',
  async (t, server) => {
    const { ua } = await signInAtAccount(server);
    const other = await signInAtAccount(server);
    for (const said of ['password_changed', 'session_ended', 'others_ended', 'not_found']) {
      const page = await ua.open(`${server.url}/account?said=${said}`);
      t.notRegex(page.text, /class="notice/, said);
    }
    const { action, fields } = formOf(await other.ua.open(`${server.url}/account`), '/password');
    const typed = { current_password: password, new_password: 'a new and long password' };
    await other.ua.send(action, { method: 'POST', body: new URLSearchParams({ ...fields, ...typed }) });
    const [[key, said] = []] = [...other.ua.cookies].filter(([name]) => name.startsWith('kindred_said;'));
    if (!key || !said) return t.fail('no message was stored');
    ua.cookies.set(key, said);
    t.notRegex(
      (await ua.open(`${server.url}/account`)).text,
      /class="notice/,
      'the message of another browser',
    );
    const changed = await other.ua.open(`${server.url}/account`);
    t.regex(changed.text, /class="notice/);
    t.notRegex((await other.ua.open(changed.url)).text, /class="notice/, 'the message is shown once');
  },
);

testOnServers('a forged logout confirmation, without its page, does not sign out', async (t, server) => {
  const scene = await setUpScene(server);
  await logIn(scene);
  await scene.ua.open(`${server.url}/logout`);
  for (const fields of [{}, { xsrf: '' }, { xsrf: 'x' }]) {
    const body = new URLSearchParams({ logout: 'yes', ...(fields as Record<string, string>) });
    const answer = await scene.ua.send(`${server.url}/logout/confirm`, { method: 'POST', body });
    t.deepEqual([answer.status, answer.location], [400, null]);
  }
  const row = await rowOf(server.db('sessions').where({ client_id: scene.client_id }).first());
  t.is(row.ended_at, null);
});

testOnServers('a login changes the session cookie, so a planted cookie is useless', async (t, server) => {
  const scene = await setUpScene(server);
  const { ua } = scene;
  await ua.open((await startRequest(scene)).url.href);
  const before = cookieOf(ua);
  const planted = [...ua.cookies.values()].map((cookie) => ({ ...cookie }));
  await logIn(scene);
  const after = cookieOf(ua);
  t.truthy(after);
  t.not(after, before);
  const attacker = openUserAgent(server.url);
  for (const cookie of planted) attacker.cookies.set(`${cookie.name};${cookie.path}`, cookie);
  attacker.cookies.set('forged', { name: 'kindred_session', value: 'made-up', path: '/' });
  const { url } = await startRequest(scene, { prompt: 'none' });
  t.is(sentTo(await attacker.send(url.href)).searchParams.get('error'), 'login_required');

  const second = openUserAgent(server.url);
  const page = await second.open(`${server.url}/account`);
  second.cookies.set('kindred_session;/', { name: 'kindred_session', value: 'planted', path: '/' });
  await second.submit(page, '/account/login', { username: scene.user.username, password });
  t.not(cookieOf(second), 'planted');
  t.not(cookieOf(second), undefined);
});

const html = '<img src=x onerror=alert(1)>"\'&<b>';

testOnServers(
  'HTML in a name is escaped on every page, and no page can be framed or cached',
  async (t, server) => {
    const identifier = `https://html-${server.store}.example.test/`;
    await createResourceServer(server.db, { identifier, name: `S ${html}`, scope: 'read' });
    const user = await makeUser(server.db);
    const scene = await setUpScene(server, { client: { client_name: `C ${html}` }, user });
    const { ua } = scene;
    const { url } = await startRequest(scene, {
      scope: 'openid read',
      resource: identifier,
      login_hint: html,
    });
    const login = await ua.open(url.href);
    const consent = await typePassword(ua, login, user);
    await ua.submit(consent, '/consent', { decision: 'allow' });
    const device = { device_id: 'x', device_name: `D ${html}`, platform: 'ios' };
    await signIn(server, { user, form: device });
    const pages = {
      login,
      consent,
      account: await ua.open(`${server.url}/account?said=${encodeURIComponent(html)}`),
      logout: await ua.open(`${server.url}/logout?client_id=${scene.client_id}`),
      device: await ua.open(`${server.url}/device`),
      error: await ua.open(`${server.url}/authorize?client_id=${encodeURIComponent(html)}`),
      expired: await ua.open(`${server.url}/interaction/${encodeURIComponent(html)}`),
      goodbye: await ua.open(`${server.url}/logout/success?client_id=${scene.client_id}`),
    };
    for (const [name, page] of Object.entries(pages)) assertSafe(t, page, name);
    for (const name of ['login', 'consent', 'account', 'logout'] as const)
      t.true(pages[name].text.includes('&lt;img src=x onerror=alert(1)&gt;'), name);
  },
);

function assertSafe(t: ExecutionContext, page: Page, name: string): void {
  t.false(page.text.includes('<img src=x'), name);
  t.regex(page.headers.get('content-type') ?? '', /^text\/html; ?charset=utf-8/i, name);
  t.is(page.headers.get('cache-control'), 'no-store', name);
  t.is(page.headers.get('x-content-type-options'), 'nosniff', name);
  const policy = page.headers.get('content-security-policy') ?? '';
  t.regex(policy, /default-src 'none'.*frame-ancestors 'none'/, name);
  t.notRegex(policy, /unsafe|\*/, name);
}

testOnServers(
  'HEAD is answered like GET without a body, and Allow names the other methods',
  async (t, server) => {
    const ua = openUserAgent(server.url);
    for (const path of ['/account', '/device', '/logout']) {
      const [head, get] = [
        await ua.send(server.url + path, { method: 'HEAD' }),
        await ua.send(server.url + path),
      ];
      t.deepEqual([head.status, head.text], [get.status, ''], path);
    }
    for (const [path, method] of [
      ['/authorize', 'PUT'],
      ['/device', 'DELETE'],
      ['/logout', 'PATCH'],
    ] as const) {
      const { status, headers } = await ua.send(server.url + path, { method });
      t.deepEqual([status, headers.get('allow')], [405, 'GET, HEAD, POST'], path);
    }
    const options = await ua.send(`${server.url}/account`, {
      method: 'OPTIONS',
      headers: { origin: 'https://x.example' },
    });
    t.is(options.headers.get('access-control-allow-origin'), null);
  },
);
