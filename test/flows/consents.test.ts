// Consents for third-party clients: asked once, remembered, withdrawn, and never more than the page showed.
import * as oidc from 'openid-client';
import { makeUser } from '../helpers/builders.ts';
import { granted } from '../helpers/client.ts';
import {
  openRequest as ask,
  callback,
  logIn,
  type Scene,
  sentTo,
  setUpScene,
  startRequest,
  typePassword,
} from '../helpers/code_flow.ts';
import { api, isActive, signIn } from '../helpers/oauth.ts';
import { makeResourceServer } from '../helpers/resources.ts';
import { rowOf } from '../helpers/rows.ts';
import { testOnServers } from '../helpers/server.ts';
import { formOf, textOf } from '../helpers/user_agent.ts';

const consentOf = async ({ server, client_id, user }: Scene) =>
  (await server.db('consents').where({ client_id, user_id: user.id }).first())?.granted ?? null;

testOnServers('the user is asked once for each scope, and shown what is new', async (t, server) => {
  const scene = await setUpScene(server);
  const { ua, user } = scene;
  const orders = await makeResourceServer(server);
  const login = await ask(scene, { scope: 'openid profile' });
  const first = await typePassword(ua, login, user);
  t.regex(textOf(first), /This will allow/);
  t.notRegex(textOf(first), /Already allowed/);
  await ua.submit(first, '/consent', { decision: 'allow' });
  t.deepEqual(await consentOf(scene), { openid: ['openid', 'profile'], claims: [], resources: {} });
  t.true(sentTo(await ask(scene, { scope: 'openid profile' })).searchParams.has('code'));
  t.true(
    sentTo(await ask(scene, { scope: 'openid' })).searchParams.has('code'),
    'fewer scopes need no new consent',
  );

  const more = { scope: 'openid profile email orders:read', resource: orders.identifier };
  const second = await ask(scene, more);
  const [fresh = '', known = ''] = textOf(second).split('Already allowed');
  t.regex(fresh, /New: this will also allow.*(e-?mail).*orders:read/i);
  t.notRegex(fresh, /\bname\b.*New/);
  t.regex(known, /name|profile/i);
  await ua.submit(second, '/consent', { decision: 'allow' });
  t.deepEqual(await consentOf(scene), {
    openid: ['openid', 'profile', 'email'],
    claims: [],
    resources: { [orders.identifier]: ['orders:read'] },
  });
  t.true(sentTo(await ask(scene, more)).searchParams.has('code'));
  t.is((await ask(scene, { ...more, scope: 'openid orders:write' })).forms.length > 0, true);
});

testOnServers(
  'a token carries the scopes of this login, not all that the user ever allowed',
  async (t, server) => {
    const scene = await setUpScene(server);
    await logIn(scene, { scope: 'openid profile email' });
    const tokens = await logIn(scene, { scope: 'openid' });
    t.is(tokens.scope, 'openid');
    const info = await oidc.fetchUserInfo(scene.config, tokens.access_token, scene.user.id);
    t.deepEqual(info as Record<string, unknown>, { sub: scene.user.id });
  },
);

testOnServers(
  'withdrawing a consent ends the sessions of that client, and the next login asks again',
  async (t, server) => {
    const scene = await setUpScene(server);
    const { user, ua, client_id } = scene;
    const tokens = await logIn(scene);
    const other = await setUpScene(server, { user, ua });
    const kept = await logIn(other);
    const me = (await signIn(server, { user })).tokens.access_token;
    const { consents } = granted(await api(server, 'GET /consents', me)) as { consents: object[] };
    t.is(consents.length, 2);
    t.like(consents[1], {
      client: { client_id, client_name: 'Web app' },
      scopes: ['openid', 'profile', 'email'],
      resources: {},
    });
    t.is((await api(server, `DELETE /consents/${client_id}`)).status, 401);
    const stranger = (await signIn(server)).tokens.access_token;
    t.is((await api(server, `DELETE /consents/${client_id}`, stranger)).status, 404);
    t.is((await api(server, `DELETE /consents/${client_id}`, me)).status, 204);
    const row = await rowOf(server.db('sessions').where({ id: tokens.session_id }).first());
    t.is(row.ended_reason, 'consent_withdrawn');
    t.false(await isActive(server, tokens.access_token));
    t.true(await isActive(server, kept.access_token));
    t.regex(textOf(await ask(scene, {})), /would like access/);
    t.is((await api(server, `DELETE /consents/${client_id}`, me)).status, 404);
  },
);

testOnServers('a first-party client never asks for consent', async (t, server) => {
  const scene = await setUpScene(server, { client: { first_party: true } });
  const { url } = await startRequest(scene, { scope: 'openid profile account' });
  const back = sentTo(await typePassword(scene.ua, await scene.ua.open(url.href), scene.user));
  t.true(back.searchParams.has('code'));
  t.is(await consentOf(scene), null);
});

testOnServers('two consent pages open at the same time each store what they showed', async (t, server) => {
  const scene = await setUpScene(server);
  const { ua, user } = scene;
  await typePassword(ua, await ask(scene, { scope: 'openid' }), user);
  const little = await ask(scene, { scope: 'openid' });
  const much = await ask(scene, { scope: 'openid profile email' });
  t.not(formOf(little, '/consent').action, formOf(much, '/consent').action);
  const done = await ua.submit(little, '/consent', { decision: 'allow' });
  t.true(sentTo(done).searchParams.has('code'));
  t.deepEqual((await consentOf(scene))?.openid, ['openid']);
  t.true(sentTo(await ua.submit(much, '/consent', { decision: 'allow' })).searchParams.has('code'));
  t.deepEqual((await consentOf(scene))?.openid, ['openid', 'profile', 'email']);
});

testOnServers('no field of the form adds to what the page showed', async (t, server) => {
  const scene = await setUpScene(server);
  const { ua, user } = scene;
  const page = await typePassword(ua, await ask(scene, { scope: 'openid' }), user);
  const tampered = {
    decision: 'allow',
    scope: 'openid profile email account admin',
    scopes: 'email',
    granted: '{"openid":["email"]}',
    rejectedScopes: '',
    missingOIDCScope: 'email',
    client_id: 'other',
    accountId: 'other',
  };
  const back = sentTo(await ua.submit(page, '/consent?scope=openid%20email'.split('?')[0] ?? '', tampered));
  t.true(back.searchParams.has('code'));
  t.deepEqual(await consentOf(scene), { openid: ['openid'], claims: [], resources: {} });
});

testOnServers('denying and cancelling both send access_denied to the client', async (t, server) => {
  const scene = await setUpScene(server);
  const { ua, user } = scene;
  const denied = (url: URL) => {
    const { state, error_description: _, ...said } = Object.fromEntries(url.searchParams);
    t.truthy(state);
    t.is(url.origin + url.pathname, callback);
    t.deepEqual(said, { error: 'access_denied', iss: server.issuer });
  };
  denied(sentTo(await ua.submit(await ask(scene, {}), '/cancel')));
  const page = await typePassword(ua, await ask(scene, {}), user);
  denied(sentTo(await ua.submit(page, '/consent', { decision: 'deny' })));
  denied(sentTo(await ua.submit(await ask(scene, {}), '/consent', {})));
  t.is(await consentOf(scene), null);
  t.deepEqual(await server.db('sessions').where({ client_id: scene.client_id }), []);
});

testOnServers('“Not you?” asks for another user and keeps the request', async (t, server) => {
  const scene = await setUpScene(server);
  const orders = await makeResourceServer(server);
  const { url, checks } = await startRequest(scene, { scope: 'openid orders:read' });
  const bills = await makeResourceServer(server);
  for (const one of [orders, bills]) url.searchParams.append('resource', one.identifier);
  const consent = await typePassword(scene.ua, await scene.ua.open(url.href), scene.user);
  const login = await scene.ua.submit(consent, '/switch');
  t.regex(textOf(login), /Sign in/);
  const again = await typePassword(scene.ua, login, scene.user);
  const back = sentTo(await scene.ua.submit(again, '/consent', { decision: 'allow' }));
  const tokens = await oidc.authorizationCodeGrant(scene.config, back, checks, {
    resource: bills.identifier,
  });
  t.is(tokens.claims()?.sub, scene.user.id);
});

testOnServers('“Not you?” works for a pushed request as well', async (t, server) => {
  const scene = await setUpScene(server, { client: { require_pushed_authorization_requests: true } });
  const { ua, user } = scene;
  const { parameters, checks } = await startRequest(scene);
  const url = await oidc.buildAuthorizationUrlWithPAR(scene.config, parameters);
  const consent = await typePassword(ua, await ua.open(url.href), user);
  const other = await makeUser(server.db);
  const again = await typePassword(ua, await ua.submit(consent, '/switch'), other);
  t.regex(textOf(again), new RegExp(`Signed in as ${other.username}`));
  const back = sentTo(await ua.submit(again, '/consent', { decision: 'allow' }));
  const tokens = await oidc.authorizationCodeGrant(scene.config, back, checks);
  t.is(tokens.claims()?.sub, other.id);
  t.is(await consentOf(scene), null, 'nothing was allowed in the name of the first user');
});

testOnServers(
  'the page says that a client will get a refresh token, also when it did not ask for one',
  async (t, server) => {
    const said = async (grant_types: ('authorization_code' | 'refresh_token')[]) => {
      const scene = await setUpScene(server, { client: { grant_types } });
      const login = await ask(scene, { scope: 'openid' });
      return textOf(await typePassword(scene.ua, login, scene.user));
    };
    t.regex(
      await said(['authorization_code', 'refresh_token']),
      /Confirm who you are.*Keep access while you are away/,
    );
    t.notRegex(await said(['authorization_code']), /Keep access/);
  },
);

testOnServers(
  'the account page lists what the consent page showed, with the names of APIs',
  async (t, server) => {
    const scene = await setUpScene(server);
    const { ua, user } = scene;
    const { identifier } = await makeResourceServer(server);
    const unnamed = await makeResourceServer(server);
    await server.db('resource_servers').where({ identifier }).update({ name: 'Order desk' });
    const scope = 'openid orders:read';
    const asked = await typePassword(ua, await ask(scene, { scope, resource: identifier }), user);
    t.regex(textOf(asked), /orders:read at Order desk/);
    t.regex(textOf(asked), /Keep access while you are away/);
    await ua.submit(asked, '/consent', { decision: 'allow' });
    const more = await ask(scene, { scope, resource: unnamed.identifier });
    await ua.submit(more, '/consent', { decision: 'allow' });
    const listed = textOf(await ua.open(`${server.url}/account`));
    const apps = listed.slice(listed.indexOf('Third-party apps'));
    t.regex(apps, /orders:read at Order desk/);
    t.true(apps.includes(`orders:read at ${unnamed.identifier}`));
    t.regex(apps, /Keep access while you are away/);
  },
);
