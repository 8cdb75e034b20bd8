// Double clicks: each form of our pages, submitted twice in one browser.
import * as oidc from 'openid-client';
import { password } from '../../helpers/builders.ts';
import {
  logIn,
  openRequest,
  publicClient,
  type Scene,
  sentTo,
  setUpScene,
  startRequest,
  typePassword,
} from '../../helpers/code_flow.ts';
import { deviceGrant } from '../../helpers/devices.ts';
import { type TestServer, testOnOwnServers, testOnServers } from '../../helpers/server.ts';
import {
  type Fields,
  formOf,
  openUserAgent,
  type Page,
  textOf,
  type UserAgent,
} from '../../helpers/user_agent.ts';

type Started = Awaited<ReturnType<typeof startRequest>>;

/** Submits the same form twice and follows the redirects of both responses. */
async function submitTwice(ua: UserAgent, page: Page, action: string, fields: Fields): Promise<Page[]> {
  return [await ua.submit(page, action, fields), await ua.submit(page, action, fields)];
}

/** Exchanges the codes of both responses and refreshes once; throws where a code is invalid. */
async function exchange({ config }: Scene, pages: Page[], { checks }: Started): Promise<boolean> {
  for (const page of pages) {
    const tokens = await oidc.authorizationCodeGrant(config, sentTo(page), checks);
    await oidc.refreshTokenGrant(config, tokens.refresh_token ?? '');
  }
  return true;
}

testOnServers('a login that is submitted twice leads to the client twice', async (t, server) => {
  const scene = await setUpScene(server, { client: { first_party: true } });
  const started = await startRequest(scene);
  const login = await scene.ua.open(started.url.href);
  const { username } = scene.user;
  const wrong = await submitTwice(scene.ua, login, '/login', { username, password: `not ${password}` });
  t.deepEqual(
    wrong.map(({ status }) => status),
    [403, 403],
  );
  const pages = [
    await typePassword(scene.ua, login, scene.user),
    await typePassword(scene.ua, login, scene.user),
  ];
  t.true(await exchange(scene, pages, started));
});

testOnServers('a finished login signs in no other browser, even with the same cookies', async (t, server) => {
  const scene = await setUpScene(server, { client: { first_party: true } });
  const login = await openRequest(scene);
  const other = openUserAgent(server.url);
  for (const [key, cookie] of scene.ua.cookies) other.cookies.set(key, cookie);
  sentTo(await typePassword(scene.ua, login, scene.user));
  const uid = new URL(login.url).pathname.split('/').at(-1);
  const page = await other.open(`${server.url}/authorize/${uid}`);
  t.is(page.location, null);
  t.truthy(formOf(page, '/login'));
});

testOnServers(
  'a consent that is submitted twice leads to the client twice, and so does a denial',
  async (t, server) => {
    const scene = await setUpScene(server);
    const started = await startRequest(scene);
    const consent = await typePassword(scene.ua, await scene.ua.open(started.url.href), scene.user);
    const denied = await submitTwice(scene.ua, consent, '/consent', { decision: 'deny' });
    t.deepEqual(
      denied.map((page) => sentTo(page).searchParams.get('error')),
      ['access_denied', 'access_denied'],
    );
    const next = await startRequest(scene);
    const asked = await scene.ua.open(next.url.href);
    const allowed = await submitTwice(scene.ua, asked, '/consent', { decision: 'allow' });
    t.true(await exchange(scene, allowed, next));
    t.is((await server.db('consents').where({ client_id: scene.client_id })).length, 1);
  },
);

testOnServers(
  'a pushed request survives a double click, but works in one browser only',
  async (t, server) => {
    const scene = await setUpScene(server);
    const started = await startRequest(scene);
    const url = await oidc.buildAuthorizationUrlWithPAR(scene.config, started.parameters);
    const other = openUserAgent(server.url);
    const theirs = await typePassword(other, await other.open(url.href), scene.user);
    const consent = await typePassword(scene.ua, await scene.ua.open(url.href), scene.user);
    const allowed = await submitTwice(scene.ua, consent, '/consent', { decision: 'allow' });
    t.true(await exchange(scene, allowed, started));
    const late = await other.submit(theirs, '/consent', { decision: 'allow' });
    t.is(sentTo(late).searchParams.get('code'), null);
  },
);

testOnOwnServers('after a minute the page of a finished interaction has expired', {}, async (t, server) => {
  const scene = await setUpScene(server, { client: { first_party: true } });
  const login = await openRequest(scene);
  sentTo(await typePassword(scene.ua, login, scene.user));
  const soon = Date.now() + 61_000;
  const kept = await server
    .db('oidc_models')
    .where({ model: 'Interaction' })
    .where('expires_at', '<', new Date(soon));
  t.true(kept.length >= 1);
  for (const { id } of kept) {
    await server
      .db('oidc_models')
      .where({ model: 'Interaction', id })
      .update({ expires_at: new Date(Date.now() - 1) });
  }
  const late = await typePassword(scene.ua, login, scene.user);
  t.is(late.status, 400);
  t.regex(textOf(late), /This page has expired/);
});

const television = {
  ...publicClient,
  client_name: 'Television',
  redirect_uris: [],
  response_types: [],
  grant_types: [deviceGrant, 'refresh_token'],
};

async function typeCode(server: TestServer, scene: Scene) {
  const shown = await oidc.initiateDeviceAuthorization(scene.config, { scope: 'openid' });
  const page = await scene.ua.open(`${server.url}/device`);
  return { shown, confirm: await scene.ua.submit(page, '/device', { user_code: shown.user_code }) };
}

testOnServers(
  'a double click confirms, allows and denies a device like a single click',
  async (t, server) => {
    const scene = await setUpScene(server, { client: television });
    const { ua } = scene;
    const { shown, confirm } = await typeCode(server, scene);
    const [, login] = await submitTwice(ua, confirm, '/device', { confirm: 'yes' });
    if (!login) return t.fail();
    const consent = await typePassword(ua, login, scene.user);
    const ends = await submitTwice(ua, consent, '/consent', { decision: 'allow' });
    for (const end of ends) t.regex(textOf(end), /Your device is connected Television/);
    const tokens = await oidc.initiateDeviceAuthorization(scene.config, {}).then(() =>
      oidc.genericGrantRequest(scene.config, deviceGrant, {
        device_code: shown.device_code,
      }),
    );
    t.truthy(tokens.access_token);
    t.is((await server.db('sessions').where({ client_id: scene.client_id })).length, 1);

    const second = await typeCode(server, scene);
    for (const end of await submitTwice(ua, second.confirm, '/device', { abort: 'yes' }))
      t.regex(textOf(end), /Your device was not connected You cancelled\. Television was not given access/);
    const third = await typeCode(server, scene);
    for (const end of await submitTwice(ua, third.confirm, '/device', { confirm: 'yes' }))
      t.regex(textOf(end), /Your device is connected/);
  },
);

testOnServers(
  'a logout that is submitted twice leads to the client’s logout redirect URI',
  async (t, server) => {
    const home = 'https://app.example/bye';
    const ua = openUserAgent(server.url, { accept: 'text/html' });
    const scene = await setUpScene(server, { client: { post_logout_redirect_uris: [home] }, ua });
    await logIn(scene);
    const url = `${server.url}/logout?client_id=${scene.client_id}&post_logout_redirect_uri=${encodeURIComponent(home)}&state=s`;
    const page = await scene.ua.open(url);
    const ends = await submitTwice(scene.ua, page, '/logout/confirm', { logout: 'yes' });
    t.deepEqual(
      ends.map((end) => sentTo(end).href),
      [`${home}?state=s`, `${home}?state=s`],
    );
    await logIn(scene);
    const late = await scene.ua.submit(page, '/logout/confirm', { logout: 'yes' });
    t.regex(textOf(late), /This page has expired/, 'after a new sign-in the old form signs no user out');
  },
);

testOnServers('signing out of the account page twice is confirmed twice', async (t, server) => {
  const scene = await setUpScene(server);
  await logIn(scene);
  const account = await scene.ua.open(`${server.url}/account`);
  for (const end of await submitTwice(scene.ua, account, '/account/logout', {}))
    t.regex(textOf(end), /You are signed out/);
  t.truthy(formOf(await scene.ua.open(`${server.url}/account`), '/account/login'));
});
