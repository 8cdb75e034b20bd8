// Recovery at the pages, in browsers without a screen: by the code, by the link, in the middle of an authorization request.
import { initiateDeviceAuthorization } from 'openid-client';
import { issueCode } from '../../../src/core/one_time_codes/one_time_codes.ts';
import { keyring, makeUser, password } from '../../helpers/builders.ts';
import {
  openRequest,
  passPages,
  publicClient,
  type Scene,
  sentTo,
  setUpScene,
} from '../../helpers/code_flow.ts';
import { deviceGrant } from '../../helpers/devices.ts';
import { fresh, mailedTo, makeReachable, wrongCode } from '../../helpers/recovery.ts';
import { askFrom, newestMail } from '../../helpers/recovery_pages.ts';
import { type TestServer, testOnOwnServers, testOnServers } from '../../helpers/server.ts';
import { formOf, openUserAgent, type Page, textOf, type UserAgent } from '../../helpers/user_agent.ts';

async function signInAt(server: TestServer, ua: UserAgent, username: string, given: string): Promise<Page> {
  return await ua.submit(await ua.open(`${server.url}/account`), '/account/login', {
    username,
    password: given,
  });
}

async function makeScene(server: TestServer): Promise<Scene & { user: { email: string } }> {
  const user = await makeReachable(server.db);
  return { ...(await setUpScene(server, { user })), user };
}

/** Completes the login of the authorization request with the new password. */
async function finish(scene: Scene, login: Page): Promise<void> {
  const after = await scene.ua.submit(login, '/login', { username: scene.user.username, password: fresh });
  if (!sentTo(await passPages(scene, after)).searchParams.has('code')) throw new Error('no code');
}

testOnServers(
  'by the code: back at the login of the same authorization request, signed in nowhere',
  async (t, server) => {
    const scene = await makeScene(server);
    const { ua, user } = scene;
    const sent = await askFrom(server, ua, await openRequest(scene), user.username);
    t.is(sent.status, 202);
    const { code } = await newestMail(server.db, user.email);
    const wrong = await ua.submit(sent, '/recover/code', { code: wrongCode(code) });
    t.deepEqual(
      [wrong.status, /This code does not work.*Send another mail/.test(textOf(wrong))],
      [400, true],
    );
    const form = await ua.submit(wrong, '/recover/code', { code: ` ${code.slice(0, 3)} ${code.slice(3)}` });
    t.true(textOf(form).includes(user.email));
    const weak = await ua.submit(form, '/recover/password', { new_password: 'short' });
    t.deepEqual([weak.status, /Too short/.test(textOf(weak))], [400, true]);
    const login = await ua.submit(weak, '/recover/password', { new_password: fresh });
    t.regex(login.url, /\/interaction\//);
    t.regex(textOf(login), /Password changed. Sign in with the new one./);
    t.notRegex(textOf(await ua.open(login.url)), /Password changed/, 'it is said once');
    t.is((await server.db('oidc_models').where({ model: 'Session', user_id: user.id })).length, 0);
    await finish(scene, login);
  },
);

testOnServers(
  'by the link in the same browser: back in the authorization request as well',
  async (t, server) => {
    const scene = await makeScene(server);
    const { ua, user } = scene;
    await askFrom(server, ua, await openRequest(scene), user.email);
    const { token } = await newestMail(server.db, user.email);
    const login = await ua.submit(await ua.open(`${server.url}/recover/${token}`), `/recover/${token}`, {
      new_password: fresh,
    });
    t.regex(login.url, /\/interaction\//);
    await finish(scene, login);
  },
);

testOnServers(
  'by the link in another browser, without cookies: it ends at a login, and the request lives on',
  async (t, server) => {
    const scene = await makeScene(server);
    const { user } = scene;
    const waiting = await openRequest(scene);
    await askFrom(server, scene.ua, waiting, user.email);
    const { token } = await newestMail(server.db, user.email);
    const other = openUserAgent(server.url);
    const link = await other.open(`${server.url}/recover/${token}`);
    other.cookies.clear();
    const login = await other.submit(link, `/recover/${token}`, { new_password: fresh });
    t.deepEqual([login.url, login.status], [`${server.url}/account`, 200]);
    formOf(login, '/account/login');
    await finish(scene, await scene.ua.open(waiting.url));
  },
);

testOnServers('a user who has to sign in again recovers in the middle of that', async (t, server) => {
  const scene = await makeScene(server);
  await scene.ua.submit(await openRequest(scene), '/login', { username: scene.user.username, password });
  const again = await openRequest(scene, { prompt: 'login' });
  t.regex(textOf(again), /Confirm it’s you/);
  const sent = await askFrom(server, scene.ua, again, scene.user.email);
  const { code } = await newestMail(server.db, scene.user.email);
  const form = await scene.ua.submit(sent, '/recover/code', { code });
  const login = await scene.ua.submit(form, '/recover/password', { new_password: fresh });
  t.regex(login.url, /\/interaction\//);
  await finish(scene, login);
});

testOnServers(
  'the login for a television offers it as well, and connects the television afterwards',
  async (t, server) => {
    const device = {
      ...publicClient,
      redirect_uris: [],
      response_types: [],
      grant_types: [deviceGrant, 'refresh_token'],
    };
    const user = await makeReachable(server.db);
    const scene = await setUpScene(server, { client: device, user });
    const { user_code } = await initiateDeviceAuthorization(scene.config, { scope: 'openid' });
    const { ua } = scene;
    const typed = await ua.submit(await ua.open(`${server.url}/device`), '/device', { user_code });
    const sent = await askFrom(server, ua, await ua.submit(typed, '/device', { confirm: 'yes' }), user.email);
    const { code } = await newestMail(server.db, user.email);
    const form = await ua.submit(sent, '/recover/code', { code });
    const login = await ua.submit(form, '/recover/password', { new_password: fresh });
    const after = await ua.submit(login, '/login', { username: user.username, password: fresh });
    t.regex(textOf(await passPages(scene, after)), /connected/i);
  },
);

testOnServers(
  'opening a link any number of times spends nothing, nor does its form without a typed password',
  async (t, server) => {
    const user = await makeReachable(server.db);
    const ua = openUserAgent(server.url);
    await askFrom(server, ua, await ua.open(`${server.url}/account`), user.email);
    const { token } = await newestMail(server.db, user.email);
    const scanner = openUserAgent(server.url);
    const before = [
      await server.db('users').where({ id: user.id }),
      await server.db('one_time_codes').where({ user_id: user.id }),
    ];
    for (const method of ['GET', 'HEAD', 'GET'])
      t.is((await scanner.send(`${server.url}/recover/${token}`, { method })).status, 200);
    const link = await scanner.open(`${server.url}/recover/${token}`);
    for (const href of [...link.text.matchAll(/<a [^>]*href="([^"]+)"/g)].map(([, href = '']) => href))
      await scanner.open(new URL(href, server.url).href);
    t.is((await scanner.submit(link, `/recover/${token}`)).status, 400);
    t.is((await scanner.submit(link, `/recover/${token}`, { new_password: '' })).status, 400);
    t.deepEqual(
      [
        await server.db('users').where({ id: user.id }),
        await server.db('one_time_codes').where({ user_id: user.id }),
      ],
      before,
    );
    t.false([...scanner.cookies.values()].some(({ name }) => name.includes('session')));
    t.is((await ua.submit(link, `/recover/${token}`, { new_password: fresh })).status, 200);
  },
);

testOnServers(
  'the link of one user works in the browser of another, names its own user, and leaves the login there alone',
  async (t, server) => {
    const [ada, bob] = [await makeReachable(server.db), await makeReachable(server.db)];
    const asking = openUserAgent(server.url);
    await askFrom(server, asking, await asking.open(`${server.url}/account`), bob.email);
    const { token } = await newestMail(server.db, bob.email);
    const ua = openUserAgent(server.url);
    await signInAt(server, ua, ada.username, password);
    const sessions = await server.db('oidc_models').where({ model: 'Session', user_id: ada.id });
    const link = await ua.open(`${server.url}/recover/${token}`);
    t.true(textOf(link).includes(bob.email));
    t.false(textOf(link).includes(ada.username));
    const done = await ua.submit(link, `/recover/${token}`, { new_password: fresh });
    t.deepEqual(
      [done.status, textOf(done).includes(bob.username), textOf(done).includes(ada.username)],
      [200, true, true],
    );
    t.deepEqual(await server.db('oidc_models').where({ model: 'Session', user_id: ada.id }), sessions);
    t.true(textOf(await ua.open(`${server.url}/account`)).includes(ada.username));
    const login = await signInAt(server, openUserAgent(server.url), bob.username, fresh);
    t.true(textOf(login).includes(bob.username));
  },
);

testOnServers(
  'a used, an expired and an unknown link are pages that send a new mail without any cookie',
  async (t, server) => {
    const user = await makeReachable(server.db);
    const mailNewLink = async () => {
      const ua = openUserAgent(server.url);
      await askFrom(server, ua, await ua.open(`${server.url}/account`), user.email);
      return (await newestMail(server.db, user.email)).token;
    };
    const used = await mailNewLink();
    const ua = openUserAgent(server.url);
    await ua.submit(await ua.open(`${server.url}/recover/${used}`), `/recover/${used}`, {
      new_password: fresh,
    });
    const expired = await mailNewLink();
    const past = new Date(Date.now() - 1_000);
    await server
      .db('one_time_codes')
      .where({ user_id: user.id })
      .whereNull('used_at')
      .update({ expires_at: past, code_expires_at: past });
    const states = {
      [used]: [410, /used already/],
      [expired]: [410, /expired/],
      ['x'.repeat(43)]: [404, /does not work/],
      short: [404, /does not work/],
    } as const;
    for (const [token, [status, said]] of Object.entries(states)) {
      const fetched = openUserAgent(server.url);
      const dead = await fetched.open(`${server.url}/recover/${token}`);
      t.deepEqual(
        [dead.status, dead.headers.get('content-type')],
        [status, 'text/html; charset=utf-8'],
        token,
      );
      t.regex(textOf(dead), said);
      t.is(dead.headers.get('referrer-policy'), 'no-referrer');
      t.is(
        (
          await fetched.send(`${server.url}/recover/${token}`, {
            method: 'POST',
            body: new URLSearchParams({ new_password: fresh }),
          })
        ).status,
        status,
      );
      const before = (await mailedTo(server.db, user.email)).length;
      const sent = await openUserAgent(server.url).submit(dead, '/recover', { login: user.email });
      t.deepEqual([sent.status, (await mailedTo(server.db, user.email)).length], [202, before + 1]);
    }
  },
);

testOnServers('an unknown name gets the same page, word for word', async (t, server) => {
  const pages = [];
  for (const name of [
    (await makeReachable(server.db)).username,
    (await makeUser(server.db)).username,
    'nobody-here',
  ]) {
    const ua = openUserAgent(server.url);
    const sent = await askFrom(server, ua, await ua.open(`${server.url}/account`), name);
    pages.push([
      sent.status,
      sent.text.replaceAll(name, '<name>'),
      [...ua.cookies.values()].map((one) => [one.name, one.value.length]),
    ]);
  }
  t.deepEqual(pages[1], pages[0]);
  t.deepEqual(pages[2], pages[0]);
});

testOnServers('sending the mail again keeps the code of the first one good', async (t, server) => {
  const user = await makeReachable(server.db);
  const ua = openUserAgent(server.url);
  const sent = await askFrom(server, ua, await ua.open(`${server.url}/account`), user.email);
  const first = await newestMail(server.db, user.email);
  const again = await ua.post(sent, '/recover', {});
  // The first form of the page is that of the code, the second sends another mail.
  t.is(again.status, 202);
  t.is((await mailedTo(server.db, user.email)).length, 2);
  const form = await ua.submit(await ua.open(`${server.url}/recover/code`), '/recover/code', {
    code: first.code,
  });
  t.is((await ua.submit(form, '/recover/password', { new_password: fresh })).url, `${server.url}/account`);
});

testOnServers(
  'every page of a link says nothing of its secret to others, and links are built from the issuer alone',
  async (t, server) => {
    const user = await makeReachable(server.db);
    const forged = {
      host: 'evil.example',
      'x-forwarded-host': 'evil.example',
      origin: server.url,
      forwarded: 'host=evil.example',
    };
    const body = new URLSearchParams({ login: user.email });
    const ua = openUserAgent(server.url, forged);
    const sent = await ua.send(`${server.url}/recover`, { method: 'POST', body });
    t.deepEqual([sent.status, sent.text.includes('evil')], [202, false]);
    const { token } = await newestMail(server.db, user.email);
    const link = await ua.open(`${server.url}/recover/${token}`);
    const weak = await ua.post(link, `/recover/${token}`, { new_password: 'x' });
    for (const page of [link, weak]) {
      t.is(page.headers.get('referrer-policy'), 'no-referrer');
      t.is(page.headers.get('cache-control'), 'no-store');
      t.regex(page.text, /<meta name="referrer" content="no-referrer">/);
      t.deepEqual(
        [...page.text.matchAll(/(?:src|href)="([^"]*)"/g)].filter(
          ([, url = '']) => !url.startsWith('/assets/'),
        ),
        [],
      );
    }
    const events = JSON.stringify(await server.db('audit_events').where({ user_id: user.id }));
    t.false(events.includes(token));
  },
);

testOnServers(
  'a form from another site is refused, and one from a page without a referrer is taken',
  async (t, server) => {
    const user = await makeReachable(server.db);
    const post = async (headers: Record<string, string>, path = '/recover') =>
      (
        await openUserAgent(server.url, headers).send(`${server.url}${path}`, {
          method: 'POST',
          body: new URLSearchParams({ login: user.email }),
        })
      ).status;
    t.is(await post({ 'sec-fetch-site': 'cross-site', origin: 'null' }), 403);
    t.is(await post({ origin: 'https://evil.example' }), 403);
    t.is(await post({ origin: 'null' }), 202);
    t.is(await post({ origin: 'null' }, '/account/login'), 403);
  },
);

testOnServers('a request that is named but not this browser’s leads nowhere else', async (t, server) => {
  const user = await makeReachable(server.db);
  for (const request of [
    'https://evil.example',
    '//evil.example',
    '../../evil',
    'x'.repeat(21),
    '%2f%2fevil.example',
  ]) {
    const ua = openUserAgent(server.url);
    const start = await ua.open(`${server.url}/recover?request=${encodeURIComponent(request)}`);
    t.false(start.text.includes('evil'));
    const sent = await ua.submit(start, '/recover', { login: user.email, request });
    const { code } = await newestMail(server.db, user.email);
    const form = await ua.submit(sent, '/recover/code', { code });
    const done = await ua.post(form, '/recover/password', { new_password: `${fresh} ${request}` });
    t.deepEqual([done.status, done.location], [303, `${server.url}/account`], request);
  }
});

testOnServers('a code is no use in a browser that did not ask for it', async (t, server) => {
  const user = await makeReachable(server.db);
  const ua = openUserAgent(server.url);
  await askFrom(server, ua, await ua.open(`${server.url}/account`), user.email);
  const { code } = await newestMail(server.db, user.email);
  const other = openUserAgent(server.url);
  const foreign = await askFrom(server, other, await other.open(`${server.url}/account`), 'nobody');
  t.is((await other.submit(foreign, '/recover/code', { code })).status, 400);
  other.cookies.clear();
  t.is((await other.post(foreign, '/recover/code', { code })).location, `${server.url}/recover`);
});

testOnOwnServers(
  'with RECOVERY=off nothing offers it, while a link of an administrator works',
  { RECOVERY: 'off' },
  async (t, server) => {
    const ua = openUserAgent(server.url);
    t.false((await ua.open(`${server.url}/account`)).text.includes('recover'));
    const paths = { '/recover': 404, '/recover/code': 404 };
    for (const [path, status] of Object.entries(paths)) {
      t.is((await ua.open(`${server.url}${path}`)).status, status);
      const body = new URLSearchParams({ login: 'ada', code: '123456' });
      t.is((await ua.send(`${server.url}${path}`, { method: 'POST', body })).status, status);
    }
    const json = { login: 'ada' };
    const asked = await fetch(`${server.url}/api/recovery`, {
      method: 'POST',
      body: JSON.stringify(json),
      headers: { 'content-type': 'application/json' },
    });
    t.is(asked.status, 404);
    const user = await makeUser(server.db);
    const { token } = await server.db.transaction((tx) =>
      issueCode(tx, keyring, { purpose: 'recover', user }),
    );
    const link = await ua.open(`${server.url}/recover/${token}`);
    const login = await ua.submit(link, `/recover/${token}`, { new_password: fresh });
    t.is(login.url, `${server.url}/account`);
    const used = await ua.open(`${server.url}/recover/${token}`);
    t.deepEqual([used.status, used.forms], [410, []]);
    t.regex(textOf(used), /Ask an administrator/);
  },
);
