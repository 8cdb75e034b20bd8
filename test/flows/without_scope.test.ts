// Requests without `scope` (RFC 6749, 3.3): the user logs in, the client gets what it has by default or no scope at all.
import * as oidc from 'openid-client';
import { createResourceServer } from '../../src/core/clients/resource_servers.ts';
import {
  answerPages,
  logIn,
  publicClient,
  type Scene,
  sentTo,
  setUpScene,
  startRequest,
  typePassword,
} from '../helpers/code_flow.ts';
import { deviceGrant } from '../helpers/devices.ts';
import { introspect, readJwt } from '../helpers/oauth.ts';
import { makeResourceServer } from '../helpers/resources.ts';
import { testOnServers } from '../helpers/server.ts';
import { textOf } from '../helpers/user_agent.ts';

type Parameters = Record<string, string>;
const none = { scope: '', nonce: '' };

/** The exchange of a code of a request without `openid`. */
async function exchange(
  scene: Scene,
  back: URL,
  { pkceCodeVerifier, expectedState }: oidc.AuthorizationCodeGrantChecks,
) {
  const checks = pkceCodeVerifier === undefined ? {} : { pkceCodeVerifier };
  return await oidc.authorizationCodeGrant(scene.config, back, {
    ...checks,
    expectedState: expectedState ?? '',
  });
}

async function logInBare(scene: Scene, more: Parameters = {}) {
  const { url, checks } = await startRequest(scene, { ...none, ...more });
  return await exchange(scene, await answerPages(scene, await scene.ua.open(url.href)), checks);
}

testOnServers(
  'a third-party client without scope gets a token for its resource, after a consent that says what it is for',
  async (t, server) => {
    const scene = await setUpScene(server, { client: publicClient });
    const { identifier } = await makeResourceServer(server);
    const { url, checks } = await startRequest(scene, { ...none, resource: identifier });
    const consent = await typePassword(scene.ua, await scene.ua.open(url.href), scene.user);
    t.regex(
      textOf(consent),
      new RegExp(
        `This will allow Web app to: Use ${identifier} in your name No further permissions Keep access`,
      ),
    );
    const back = sentTo(await scene.ua.submit(consent, '/consent', { decision: 'allow' }));
    const tokens = await exchange(scene, back, checks);
    t.deepEqual([tokens.scope, tokens.id_token], [undefined, undefined]);
    const { claims } = readJwt(tokens.access_token);
    t.deepEqual([claims.aud, claims.sub, claims.scope], [identifier, scene.user.id, undefined]);
    const refreshed = await oidc.refreshTokenGrant(scene.config, tokens.refresh_token ?? '', {
      resource: identifier,
    });
    t.is(readJwt(refreshed.access_token).claims.aud, identifier);
    const known = await introspect(server, refreshed.access_token);
    t.deepEqual([known.active, known.scope], [true, undefined]);

    const again = await startRequest(scene, { ...none, resource: identifier, prompt: 'none' });
    t.true(sentTo(await scene.ua.open(again.url.href)).searchParams.has('code'), 'asked once');
    const other = await makeResourceServer(server);
    const elsewhere = await startRequest(scene, { ...none, resource: other.identifier });
    t.regex(
      textOf(await scene.ua.open(elsewhere.url.href)),
      new RegExp(`Use ${other.identifier} in your name`),
    );
    const page = await scene.ua.open(`${server.url}/account`);
    t.regex(textOf(page), new RegExp(`Use ${identifier} in your name No further permissions`));
  },
);

testOnServers(
  'an API at which a third-party client asks for no scope is allowed by the user, whatever else the client may do',
  async (t, server) => {
    const [orders, bills] = [await makeResourceServer(server), { identifier: 'https://bills.example/' }];
    await createResourceServer(server.db, { ...bills, scope: 'bills:read' });
    const chosen = await makeResourceServer(server);
    const client = { ...publicClient, default_resource: chosen.identifier };
    const scene = await setUpScene(server, { client });
    const bare = await logIn(scene, { scope: 'openid' });
    t.is(readJwt(bare.access_token).claims.aud, chosen.identifier, 'chosen by an administrator');

    const { url } = await startRequest(scene, {
      scope: 'openid',
      resource: orders.identifier,
      prompt: 'none',
    });
    t.is(sentTo(await scene.ua.open(url.href)).searchParams.get('error'), 'consent_required');
    const both = await startRequest(scene, { scope: 'openid bills:read', resource: orders.identifier });
    both.url.searchParams.append('resource', bills.identifier);
    const page = await scene.ua.open(both.url.href);
    t.regex(textOf(page), new RegExp(`Use ${orders.identifier} in your name.*bills:read`));
    const back = sentTo(await scene.ua.submit(page, '/consent', { decision: 'allow' }));
    const tokens = await oidc.authorizationCodeGrant(scene.config, back, both.checks);
    const { resources } =
      (await server.db('consents').where({ client_id: scene.client_id }).first())?.granted ?? {};
    t.deepEqual(resources, { [orders.identifier]: [], [bills.identifier]: ['bills:read'] });
    t.is(readJwt(tokens.access_token).claims.scope, undefined);
    t.true(sentTo(await scene.ua.open(url.href)).searchParams.has('code'), 'asked once');
  },
);

testOnServers('a user who denies a request without scope returns with access_denied', async (t, server) => {
  const scene = await setUpScene(server);
  const { url } = await startRequest(scene, none);
  const consent = await typePassword(scene.ua, await scene.ua.open(url.href), scene.user);
  t.regex(textOf(consent), /Know that you signed in No further permissions/);
  const denied = sentTo(await scene.ua.submit(consent, '/consent', { decision: 'deny' }));
  t.is(denied.searchParams.get('error'), 'access_denied');
  t.deepEqual(await server.db('sessions').where({ client_id: scene.client_id }), []);
  const silent = await startRequest(scene, { ...none, prompt: 'none' });
  t.is(sentTo(await scene.ua.open(silent.url.href)).searchParams.get('error'), 'consent_required');
});

testOnServers(
  'without scope and resource a client gets the scopes that are registered for it, or none',
  async (t, server) => {
    const bare = await setUpScene(server);
    const tokens = await logInBare(bare);
    t.deepEqual([tokens.scope, tokens.id_token], [undefined, undefined]);
    const { active, sub } = await introspect(server, tokens.access_token);
    t.deepEqual([active, sub], [true, bare.user.id]);
    const next = await oidc.refreshTokenGrant(bare.config, tokens.refresh_token ?? '');
    t.is(next.scope, undefined);

    const orders = await makeResourceServer(server);
    const registered = await setUpScene(server, { client: { scope: 'profile orders:read' } });
    const some = await logInBare(registered, { resource: orders.identifier });
    t.is(some.scope, 'profile orders:read');
    t.regex(String(readJwt(some.access_token).claims.scope), /\borders:read$/);

    const own = await setUpScene(server, { client: { first_party: true } });
    const { access_token } = await logInBare(own);
    const claims = readJwt(access_token).claims;
    t.deepEqual([claims.scope, claims.aud], ['account', `${server.issuer}/api`]);
  },
);

testOnServers('a pushed request without scope leads to a login', async (t, server) => {
  const scene = await setUpScene(server);
  const { identifier } = await makeResourceServer(server);
  const { parameters, checks } = await startRequest(scene, { ...none, resource: identifier });
  const url = await oidc.buildAuthorizationUrlWithPAR(scene.config, parameters);
  const tokens = await exchange(scene, await answerPages(scene, await scene.ua.open(url.href)), checks);
  t.is(readJwt(tokens.access_token).claims.aud, identifier);
});

testOnServers('a device without scope is connected', async (t, server) => {
  const kinds = { redirect_uris: [], response_types: [], grant_types: [deviceGrant, 'refresh_token'] };
  const scene = await setUpScene(server, { client: { ...publicClient, ...kinds } });
  const started = await oidc.initiateDeviceAuthorization(scene.config, {});
  const page = await scene.ua.open(`${server.url}/device`);
  const confirm = await scene.ua.submit(page, '/device', { user_code: started.user_code });
  const login = await scene.ua.submit(confirm, '/device', { confirm: 'yes' });
  const consent = await typePassword(scene.ua, login, scene.user);
  t.regex(textOf(consent), /Know that you signed in/);
  const done = await scene.ua.submit(consent, '/consent', { decision: 'allow' });
  t.regex(textOf(done), /Your device is connected/);
  const { device_code } = started;
  const tokens = await oidc.genericGrantRequest(scene.config, deviceGrant, { device_code });
  t.deepEqual([typeof tokens.refresh_token, tokens.scope], ['string', undefined]);
});
