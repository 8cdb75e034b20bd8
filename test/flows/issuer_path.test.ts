// An issuer with a path, behind a proxy that strips the path: browsers and clients only see URLs below it.
import test, { type ExecutionContext } from 'ava';
import * as oidc from 'openid-client';
import { send } from '../helpers/client.ts';
import {
  answerPages,
  logIn,
  publicClient,
  setUpScene,
  startRequest,
  typePassword,
} from '../helpers/code_flow.ts';
import { deviceGrant } from '../helpers/devices.ts';
import { openPathProxy } from '../helpers/path_proxy.ts';
import { rowOf } from '../helpers/rows.ts';
import { startTestServer, type TestServer } from '../helpers/server.ts';
import { makeStore, type StoreName, storeNames } from '../helpers/stores.ts';
import { openUserAgent, type Page, textOf, type UserAgent } from '../helpers/user_agent.ts';

const path = '/auth';

type Body = (t: ExecutionContext, server: TestServer, ua: UserAgent) => Promise<void>;

/** Registers the test for each store. Server and browser communicate through the proxy; every URL must have the path. */
function testBelowPath(title: string, body: Body, stores: StoreName[] = storeNames): void {
  for (const name of stores) {
    test(`${title} (${name})`, async (t) => {
      const store = await makeStore(name);
      t.teardown(store.drop);
      const proxy = await openPathProxy(path);
      const { issuer } = proxy;
      const server = await startTestServer(t, store, { ISSUER: issuer, REGISTRATION: 'open' });
      t.teardown(proxy.close);
      proxy.passTo(server.url);
      const ua = openUserAgent(new URL(issuer).origin);
      await body(t, { ...server, url: issuer }, ua);
      t.deepEqual(proxy.strayed, []);
      for (const one of proxy.cookies)
        t.regex(one, /; path=\/auth(\/|;|$)/i, 'not sent to other paths of this host');
    });
  }
}

testBelowPath('a code flow stays below the path of the issuer, up to its logout', async (t, server, ua) => {
  const goodbye = 'https://app.example/bye';
  const scene = await setUpScene(server, { ua, client: { post_logout_redirect_uris: [goodbye] } });
  const tokens = await logIn(scene, { scope: 'openid profile offline_access' });
  await oidc.refreshTokenGrant(scene.config, tokens.refresh_token ?? '');
  const url = oidc.buildEndSessionUrl(scene.config, {
    id_token_hint: tokens.id_token ?? '',
    post_logout_redirect_uri: goodbye,
  });
  const done = await ua.open(url.href);
  t.is(done.location, goodbye);
  const row = await rowOf(server.db('sessions').where({ id: tokens.session_id }).first());
  t.is(row.ended_reason, 'logout');
});

testBelowPath('a posted request stays below the path of the issuer', async (t, server, ua) => {
  const scene = await setUpScene(server, { ua });
  for (const state of ['short', 'x'.repeat(3_000)]) {
    const { url } = await startRequest(scene, { state });
    const [action = ''] = url.href.split('?');
    const page = await ua.send(action, { method: 'POST', body: url.searchParams });
    t.is(page.status, 303);
    t.true(page.headers.get('location')?.startsWith(`${new URL(server.issuer).pathname}/authorize?`));
    t.regex(textOf(await ua.open(page.location ?? '')), /Sign in/);
  }
});

testBelowPath('another user can take over at the consent page below the path', async (t, server, ua) => {
  const first = await setUpScene(server, { ua });
  await logIn(first);
  const second = await setUpScene(server, { ua });
  const request = oidc.buildAuthorizationUrl(second.config, {
    redirect_uri: 'https://app.example/cb',
    scope: 'openid',
    code_challenge: await oidc.calculatePKCECodeChallenge(oidc.randomPKCECodeVerifier()),
    code_challenge_method: 'S256',
  });
  const login = await ua.submit(await ua.open(request.href), '/switch');
  t.regex(textOf(login), /Sign in/);
  const back = await answerPages(second, login);
  t.truthy(back.searchParams.get('code'));
});

testBelowPath('a device is connected below the path of the issuer', async (t, server, ua) => {
  const device = { redirect_uris: [], response_types: [], grant_types: [deviceGrant, 'refresh_token'] };
  const scene = await setUpScene(server, { ua, client: { ...publicClient, ...device } });
  const started = await oidc.initiateDeviceAuthorization(scene.config, { scope: 'openid' });
  t.is(started.verification_uri, `${server.issuer}/device`);
  const typed = await ua.submit(await ua.open(started.verification_uri), '/device', {
    user_code: started.user_code,
  });
  const login = await ua.submit(typed, '/device', { confirm: 'yes' });
  const done = await ua.submit(await typePassword(ua, login, scene.user), '/consent', { decision: 'allow' });
  t.regex(textOf(done), /Your device is connected/);
  const { device_code } = started;
  const tokens = await oidc.genericGrantRequest(scene.config, deviceGrant, { device_code });
  t.is(tokens.claims()?.sub, scene.user.id);
});

testBelowPath('the account page works below the path of the issuer', async (t, server, ua) => {
  const { user } = await setUpScene(server, { ua });
  const account = await typePassword(ua, await ua.open(`${server.issuer}/account`), user);
  t.is(account.url, `${server.issuer}/account`);
  t.regex(textOf(account), /Your account/);
  await everyLinkAnswers(t, server, ua, account);
  const again = await ua.open(`${server.issuer}/account`);
  t.regex(textOf(again), /Your account/, 'the browser sends the cookie');
  const out = await ua.submit(again, '/account/logout');
  t.regex(textOf(await ua.open(`${server.issuer}/account`)), /Sign in/);
  await everyLinkAnswers(t, server, ua, out);
});

// Also those of style sheets and icons.
async function everyLinkAnswers(t: ExecutionContext, server: TestServer, ua: UserAgent, page: Page) {
  const links = [...page.text.matchAll(/ (?:href|src|action)="([^"#][^"]*)"/g)].map(
    ([, link]) => new URL(String(link), page.url).href,
  );
  t.true(links.length > 0);
  for (const link of new Set(links)) {
    t.true(link.startsWith(`${server.issuer}/`), link);
    const isForm = page.forms.some(({ action }) => action === link);
    if (!isForm) t.is((await ua.send(link)).status, 200, link);
  }
}

testBelowPath(
  'the metadata of an issuer with a path is found where clients look for it',
  async (t, server) => {
    const { origin } = new URL(server.issuer);
    const at = async (url: string) => await send(url);
    const first = await at(`${server.issuer}/.well-known/openid-configuration`);
    t.is(first.body.issuer, server.issuer);
    for (const url of [
      `${server.issuer}/.well-known/oauth-authorization-server`,
      `${origin}/.well-known/oauth-authorization-server/auth`,
      `${origin}/.well-known/openid-configuration/auth`,
    ]) {
      const { status, body, headers } = await at(url);
      t.deepEqual([status, body.issuer, body.token_endpoint], [200, server.issuer, `${server.issuer}/token`]);
      t.is(headers['access-control-allow-origin'], first.headers['access-control-allow-origin'], url);
    }
    const api = await at(`${server.issuer}/api/me`);
    const [, metadata = ''] = /resource_metadata="([^"]+)"/.exec(api.headers['www-authenticate'] ?? '') ?? [];
    t.is(metadata, `${origin}/.well-known/oauth-protected-resource/auth/api`);
    const resource = (await at(metadata)).body;
    t.deepEqual(
      [resource.resource, resource.authorization_servers],
      [`${server.issuer}/api`, [server.issuer]],
    );
    const other = await at(`${origin}/.well-known/oauth-authorization-server/auth/more`);
    t.is(other.status, 404);
  },
  ['sqlite'],
);

testBelowPath(
  'dynamic registration returns URLs below the path of the issuer',
  async (t, server) => {
    const registered = await send(`${server.issuer}/register`, {
      json: { redirect_uris: ['https://app.example/cb'], client_name: 'New' },
    });
    const { registration_client_uri: uri, registration_access_token: token } = registered.body;
    t.true(String(uri).startsWith(`${server.issuer}/register/`));
    t.is((await send(String(uri), { token: String(token) })).status, 200);
  },
  ['sqlite'],
);
