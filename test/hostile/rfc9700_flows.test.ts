// RFC 9700: the points about the browser that no other test covers. docs/security.md has the table of all points.
import * as oidc from 'openid-client';
import { makeClient } from '../helpers/builders.ts';
import { assertRefused, granted, send } from '../helpers/client.ts';
import {
  callback,
  getCode,
  logIn,
  publicClient,
  secret,
  sentTo,
  setUpScene,
  startRequest,
  typePassword,
} from '../helpers/code_flow.ts';
import { api, introspect, login, signIn, token } from '../helpers/oauth.ts';
import { makeConfidentialClient } from '../helpers/resources.ts';
import { testOnServers } from '../helpers/server.ts';
import { openUserAgent, textOf } from '../helpers/user_agent.ts';

testOnServers('RFC 9700 2.1.1: discovery announces PKCE with S256', async (t, server) => {
  for (const path of ['openid-configuration', 'oauth-authorization-server']) {
    const metadata = granted(await send(`${server.url}/.well-known/${path}`));
    t.deepEqual(metadata.code_challenge_methods_supported, ['S256']);
  }
});

testOnServers('RFC 9700 2.1.2: no token ever travels through the browser', async (t, server) => {
  const scene = await setUpScene(server);
  const metadata = scene.config.serverMetadata();
  t.deepEqual(metadata.response_types_supported, ['code']);
  t.false(metadata.grant_types_supported?.includes('implicit'));
  for (const response_type of [
    'token',
    'id_token',
    'code token',
    'code id_token',
    'id_token token',
    'none',
  ]) {
    const { url } = await startRequest(scene, { response_type });
    url.searchParams.set('response_type', response_type);
    const answer = await scene.ua.send(url.href);
    const said = `${answer.location} ${answer.text}`;
    t.regex(said, /unsupported_response_type|unauthorized_client|invalid_request/, response_type);
    t.notRegex(said, /access_token|id_token=/, response_type);
  }
});

testOnServers('RFC 9700 2.4: only first-party clients can use the password grant', async (t, server) => {
  const foreign = await setUpScene(server, {
    client: { ...publicClient, grant_types: ['authorization_code', 'password'] },
  });
  const answer = await login(server, foreign.user, foreign);
  assertRefused(t, answer, { status: 400, error: 'unauthorized_client' });
  t.deepEqual(await server.db('sessions').where({ user_id: foreign.user.id }), []);
});

testOnServers('RFC 9700 4.2.4: no page sends a Referer to another site', async (t, server) => {
  const scene = await setUpScene(server);
  const login = await scene.ua.open((await startRequest(scene)).url.href);
  const consent = await typePassword(scene.ua, login, scene.user);
  const account = await scene.ua.open(`${server.url}/account`);
  const device = await scene.ua.open(`${server.url}/device`);
  const problem = await scene.ua.open(`${server.url}/authorize`);
  for (const page of [login, consent, account, device, problem]) {
    t.is(page.headers.get('referrer-policy'), 'same-origin', page.url);
    t.notRegex(page.text, /(src|href)="(https?:)?\/\//, `${page.url} asks no other site for anything`);
  }
});

testOnServers('RFC 9700 4.3.2: a token in the query is ignored', async (t, server) => {
  const { tokens } = await signIn(server, { form: { scope: 'openid account' } });
  const query = `access_token=${tokens.access_token}`;
  t.is((await api(server, `GET /me?${query}`)).status, 401);
  const userinfo = await send(`${server.url}/userinfo?${query}`);
  t.true([400, 401].includes(userinfo.status));
  t.is(userinfo.body.sub, undefined);
});

testOnServers(
  'RFC 9700 4.4.2: an error answer names its issuer as a successful one does',
  async (t, server) => {
    const scene = await setUpScene(server);
    const asked: Record<string, string>[] = [
      { prompt: 'none' },
      { scope: 'nonsense' },
      { response_mode: 'fragment', prompt: 'none' },
    ];
    for (const more of asked) {
      const { location } = await scene.ua.send((await startRequest(scene, more)).url.href);
      const { search, hash } = new URL(location ?? '');
      const back = new URLSearchParams(hash.slice(1) || search);
      t.truthy(back.get('error'));
      t.is(back.get('iss'), server.issuer, JSON.stringify(more));
    }
  },
);

testOnServers('RFC 9700 4.5: a code of another browser is refused', async (t, server) => {
  const victim = await setUpScene(server);
  const stolen = await getCode(victim);
  const mine = await startRequest({ ...victim, ua: openUserAgent(server.url) });
  const back = new URL(stolen.back);
  back.searchParams.set('state', mine.checks.expectedState);
  const injected = oidc.authorizationCodeGrant(victim.config, back, mine.checks);
  t.like(await t.throwsAsync(injected), { error: 'invalid_grant' } as never);
});

testOnServers('RFC 9700 4.12: a form with a password is answered with a 303', async (t, server) => {
  const scene = await setUpScene(server, { client: { first_party: true } });
  const page = await scene.ua.open((await startRequest(scene)).url.href);
  const typed = { username: scene.user.username, password: 'correct horse battery staple' };
  const posted = await scene.ua.post(page, '/login', typed);
  t.is(posted.status, 303);
  t.is((await scene.ua.send(posted.location ?? '')).status, 303);
  const other = openUserAgent(server.url);
  t.is((await other.post(await other.open(`${server.url}/account`), '/account/login', typed)).status, 303);
});

testOnServers(
  'RFC 9700 4.15: a client whose id equals that of a user is not that user',
  async (t, server) => {
    const { user } = await signIn(server);
    const imposter = await makeConfidentialClient(server, {
      client_id: user.id,
      grant_types: ['client_credentials'],
      scope: 'openid account admin',
    });
    const own = await token(server, { grant_type: 'client_credentials', ...imposter, scope: 'account' });
    const access_token = String(own.body.access_token);
    for (const line of ['GET /me', 'GET /sessions', 'GET /devices'])
      t.true([401, 403].includes((await api(server, line, access_token)).status), line);
    t.true((await send(`${server.url}/userinfo`, { token: access_token })).status >= 400);
    const said = await introspect(server, access_token);
    t.deepEqual([said.sid, said.username, said.roles], [undefined, undefined, undefined]);
  },
);

testOnServers('RFC 9700 4.17: no answer travels by postMessage', async (t, server) => {
  const scene = await setUpScene(server);
  const modes = scene.config.serverMetadata().response_modes_supported ?? [];
  t.deepEqual(modes.toSorted(), ['form_post', 'fragment', 'query']);
  const { url } = await startRequest(scene, { response_mode: 'web_message' });
  const answer = await scene.ua.send(url.href);
  t.notRegex(answer.text, /postMessage|code=/);
  t.is(sentTo(answer).searchParams.get('error'), 'unsupported_response_mode');
});

testOnServers('RFC 9700 2.6: no other origin may call the login page', async (t, server) => {
  const scene = await setUpScene(server, {
    client: { ...publicClient, allowed_origins: ['https://app.example'] },
  });
  const { url } = await startRequest(scene);
  for (const origin of ['https://app.example', 'https://evil.example', 'null']) {
    const asked = await send(url.href, { headers: { origin } });
    t.is(asked.headers['access-control-allow-origin'], undefined, origin);
  }
});

testOnServers(
  'RFC 9700 4.11.2: without a registered redirect URI there is no redirect, and with one the login page comes first',
  async (t, server) => {
    const scene = await setUpScene(server);
    const { client_id } = await makeClient(server.db, { redirect_uris: [] });
    const { url } = await startRequest(scene, { client_id });
    url.searchParams.set('client_id', client_id);
    const page = await scene.ua.send(url.href);
    t.deepEqual([page.status, page.location], [400, null]);
    const asked = await scene.ua.open(
      (await startRequest(scene, { prompt: 'login', redirect_uri: callback })).url.href,
    );
    t.regex(textOf(asked), /Sign in/);
  },
);

testOnServers('RFC 9700 2.5: a secret in the query or of another client is refused', async (t, server) => {
  const scene = await setUpScene(server);
  const { refresh_token = '' } = await logIn(scene);
  const form = { grant_type: 'refresh_token', refresh_token };
  const { client_id } = scene;
  const query = new URLSearchParams({ client_id, client_secret: secret });
  t.is((await send(`${server.url}/token?${query}`, { form })).status, 400);
  const other = await makeConfidentialClient(server);
  const stolen = await token(server, { ...form, ...other });
  assertRefused(t, stolen, { status: 400, error: 'invalid_grant' });
  const guessed = await token(server, { ...form, client_id, client_secret: other.client_secret });
  t.is(guessed.status, 401);
});
