// Pushed and signed authorization requests, resource indicators and DPoP in the code flow.
import { decodeJwt } from 'jose';
import * as oidc from 'openid-client';
import {
  answerPages,
  discover,
  getCode,
  logIn,
  publicClient,
  type Scene,
  sentTo,
  setUpScene,
  startRequest,
} from '../helpers/code_flow.ts';
import { makeKey } from '../helpers/dpop.ts';
import { introspect } from '../helpers/oauth.ts';
import { makeResourceServer } from '../helpers/resources.ts';
import { testOnServers } from '../helpers/server.ts';
import { openUserAgent } from '../helpers/user_agent.ts';

const errorOf = (url: URL) => url.searchParams.get('error');

async function exchange(scene: Scene, back: URL, checks: oidc.AuthorizationCodeGrantChecks) {
  const tokens = await oidc.authorizationCodeGrant(scene.config, back, checks);
  return { ...tokens, sub: tokens.claims()?.sub };
}

testOnServers(
  'a pushed request is used by its request_uri, once, and only by its client',
  async (t, server) => {
    const scene = await setUpScene(server);
    const { parameters, checks } = await startRequest(scene);
    const url = await oidc.buildAuthorizationUrlWithPAR(scene.config, parameters);
    t.deepEqual([...url.searchParams.keys()].toSorted(), ['client_id', 'request_uri']);
    const stranger = await setUpScene(server);
    const stolen = new URL(url);
    stolen.searchParams.set('client_id', stranger.client_id);
    t.is(errorOf(sentTo(await scene.ua.open(stolen.href))), 'invalid_request_object');
    const back = await answerPages(scene, await scene.ua.open(url.href));
    t.is((await exchange(scene, back, checks)).sub, scene.user.id);
    const again = await scene.ua.open(url.href);
    t.is(sentTo(again).searchParams.get('error'), 'invalid_request_uri');

    const only = await setUpScene(server, { client: { require_pushed_authorization_requests: true } });
    const plain = await startRequest(only);
    t.is(errorOf(sentTo(await only.ua.open(plain.url.href))), 'invalid_request');
  },
);

testOnServers(
  'of four browsers that open one pushed request at the same time, one gets a code',
  async (t, server) => {
    const scene = await setUpScene(server, { client: { first_party: true } });
    const agents = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const ua = openUserAgent(server.url);
        await getCode({ ...scene, ua });
        return ua;
      }),
    );
    for (let round = 0; round < 5; round += 1) {
      const { parameters } = await startRequest(scene);
      const url = await oidc.buildAuthorizationUrlWithPAR(scene.config, parameters);
      const pages = await Promise.all(agents.map((ua) => ua.open(url.href)));
      const answers = pages.map((page) => sentTo(page).searchParams);
      t.is(answers.filter((answer) => answer.has('code')).length, 1);
      const errors = answers.map((answer) => answer.get('error')).filter((error) => error !== null);
      t.deepEqual(errors, Array(3).fill('invalid_request_uri'));
    }
  },
);

testOnServers('a signed request is accepted only with a key of its client', async (t, server) => {
  const [mine, wrong] = [await makeKey(), await makeKey()];
  const jwk = { ...(await crypto.subtle.exportKey('jwk', mine.publicKey)), kid: 'mine', alg: 'ES256' };
  const client = {
    jwks: { keys: [jwk] },
    request_object_signing_alg: 'ES256',
    require_signed_request_object: true,
  };
  const scene = await setUpScene(server, { client });
  const { parameters, checks, url: unsigned } = await startRequest(scene);
  const signed = (key: oidc.CryptoKey) =>
    oidc.buildAuthorizationUrlWithJAR(scene.config, parameters, { key, kid: 'mine' });
  t.is(errorOf(sentTo(await scene.ua.open(unsigned.href))), 'invalid_request');
  const forged = await scene.ua.open((await signed(wrong.privateKey)).href);
  t.is(errorOf(sentTo(forged)), 'invalid_request_object');
  const back = await answerPages(scene, await scene.ua.open((await signed(mine.privateKey)).href));
  t.is((await exchange(scene, back, checks)).sub, scene.user.id);
});

testOnServers(
  'a token is issued for the requested resource server, with the requested scopes alone',
  async (t, server) => {
    const [orders, bills] = [await makeResourceServer(server), await makeResourceServer(server)];
    const scene = await setUpScene(server);
    const scope = 'openid orders:read orders:write';
    const tokens = await logIn(scene, { resource: orders.identifier, scope });
    const claims = decodeJwt(tokens.access_token);
    const { client_id, user } = scene;
    t.like(claims, {
      iss: server.issuer,
      aud: orders.identifier,
      sub: user.id,
      client_id,
      scope: 'orders:read orders:write',
      sid: tokens.session_id,
    });
    const active = { active: true, aud: orders.identifier, token_type: 'Bearer' };
    t.like(await introspect(server, tokens.access_token, orders.client), active);
    t.deepEqual(await introspect(server, tokens.access_token, bills.client), { active: false });

    const { config } = scene;
    const narrow = await oidc.refreshTokenGrant(config, tokens.refresh_token ?? '', { scope: 'orders:read' });
    t.like(decodeJwt(narrow.access_token), { aud: orders.identifier, scope: 'orders:read' });
    const other = oidc.refreshTokenGrant(config, narrow.refresh_token ?? '', { resource: bills.identifier });
    t.like(await t.throwsAsync(other), { error: 'invalid_target' } as never);
    const whole = await oidc.refreshTokenGrant(config, narrow.refresh_token ?? '');
    t.like(decodeJwt(whole.access_token), { scope: 'orders:read orders:write' });
  },
);

testOnServers('one of two resources can be chosen at the token endpoint', async (t, server) => {
  const [orders, bills] = [await makeResourceServer(server), await makeResourceServer(server)];
  const scene = await setUpScene(server);
  const { url, checks } = await startRequest(scene, { scope: 'openid orders:read' });
  for (const one of [orders, bills]) url.searchParams.append('resource', one.identifier);
  const back = await answerPages(scene, await scene.ua.open(url.href));
  const tokens = await oidc.authorizationCodeGrant(scene.config, back, checks, {
    resource: bills.identifier,
  });
  t.is(decodeJwt(tokens.access_token).aud, bills.identifier);
  const next = await oidc.refreshTokenGrant(scene.config, tokens.refresh_token ?? '', {
    resource: orders.identifier,
  });
  t.is(decodeJwt(next.access_token).aud, orders.identifier);
});

testOnServers('an unknown resource or scope is refused before the login page', async (t, server) => {
  const scene = await setUpScene(server);
  const asked = async (more: Record<string, string>) =>
    errorOf(sentTo(await scene.ua.open((await startRequest(scene, more)).url.href)));
  t.is(await asked({ resource: 'https://nobody.example.test/' }), 'invalid_target');
  t.is(await asked({ scope: 'what:is:this', nonce: '' }), 'invalid_scope');
});

testOnServers('with DPoP, the tokens of a public client need its key', async (t, server) => {
  const scene = await setUpScene(server, { client: publicClient });
  const keys = await oidc.randomDPoPKeyPair('ES256');
  const others = await oidc.randomDPoPKeyPair('ES256');
  const handle = (pair: oidc.CryptoKeyPair, config: oidc.Configuration) => ({
    DPoP: oidc.getDPoPHandle(config, pair),
  });
  const { back, started } = await getCode(scene);
  const { config, user, client_id } = scene;
  const tokens = await oidc.authorizationCodeGrant(config, back, started.checks, {}, handle(keys, config));
  t.is(tokens.token_type, 'dpop');
  const info = await oidc.fetchUserInfo(config, tokens.access_token, user.id, handle(keys, config));
  t.is(info.sub, user.id);
  const refresh_token = tokens.refresh_token ?? '';
  const plain = await discover(server, client_id, oidc.None());
  const withoutKey = await t.throwsAsync(oidc.refreshTokenGrant(plain, refresh_token));
  t.like(withoutKey, { error: 'invalid_grant' } as never);
  const wrong = oidc.refreshTokenGrant(config, refresh_token, {}, handle(others, config));
  t.like(await t.throwsAsync(wrong), { error: 'invalid_grant' } as never);
  const next = await oidc.refreshTokenGrant(config, refresh_token, {}, handle(keys, config));
  t.is(next.token_type, 'dpop', 'the refusals did not use up the token');
});

testOnServers(
  'a code bound to a key by dpop_jkt is refused without a proof of the key',
  async (t, server) => {
    const scene = await setUpScene(server, { client: publicClient });
    const { config } = scene;
    const handles = [];
    for (let i = 0; i < 2; i += 1)
      handles.push(oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('ES256')));
    const [mine, other] = handles;
    const dpop_jkt = (await mine?.calculateThumbprint()) ?? '';
    for (const DPoP of [mine, other, undefined]) {
      const { back, started } = await getCode(scene, { dpop_jkt });
      const asked = oidc.authorizationCodeGrant(config, back, started.checks, {}, DPoP ? { DPoP } : {});
      if (DPoP === mine) t.is((await asked).token_type, 'dpop');
      else t.like(await t.throwsAsync(asked), { error: 'invalid_grant' } as never);
    }
  },
);

testOnServers('our own API publishes its metadata and names its authorization server', async (t, server) => {
  const url = `${server.url}/.well-known/oauth-protected-resource/api`;
  const document = await (await fetch(url)).json();
  t.deepEqual(document, {
    resource: `${server.issuer}/api`,
    authorization_servers: [server.issuer],
    scopes_supported: ['account', 'admin', 'admin:read', 'admin:users', 'admin:sessions', 'admin:config'],
    bearer_methods_supported: ['header'],
    dpop_signing_alg_values_supported: ['ES256', 'EdDSA', 'Ed25519', 'RS256', 'PS256'],
    resource_documentation: `${server.issuer}/api/openapi.json`,
  });
  const refused = await fetch(`${server.url}/api/me`);
  t.regex(refused.headers.get('www-authenticate') ?? '', new RegExp(`resource_metadata="${url}"`));
});
