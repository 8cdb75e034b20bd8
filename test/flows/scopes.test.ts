// Which scopes a login gets, which it ignores and which are refused, and which API a request means that names none.
import * as oidc from 'openid-client';
import type { NewClient } from '../../src/core/clients/client_metadata.ts';
import { createResourceServer } from '../../src/core/clients/resource_servers.ts';
import { makeClient, makeUser } from '../helpers/builders.ts';
import { assertRefused, send } from '../helpers/client.ts';
import { answerPages, logIn, secret, sentTo, setUpScene, startRequest } from '../helpers/code_flow.ts';
import { connectDevice, deviceGrant } from '../helpers/devices.ts';
import { login, readJwt, refresh, signIn, token, tokensOf } from '../helpers/oauth.ts';
import { makeConfidentialClient } from '../helpers/resources.ts';
import { type TestServer, testOnServers } from '../helpers/server.ts';

let made = 0;

/** A resource server with the scopes `<name>:read` and `<name>:write`, which no other one has. */
async function makeApi({ db }: TestServer, more = ''): Promise<{ identifier: string; name: string }> {
  made += 1;
  const name = `api${made}`;
  const identifier = `https://${name}.example.test/`;
  await createResourceServer(db, { identifier, scope: `${name}:read ${name}:write${more}` });
  return { identifier, name };
}

const code = ['authorization_code'];
const bounded = { scope: 'openid profile' };

/** What a client asks for, and what it is granted. */
const logins: [string, Partial<NewClient>, string, string][] = [
  ['an unknown scope', {}, 'openid groups', 'openid'],
  ['scopes of OpenID Connect without claims here', {}, 'openid address phone email', 'openid email'],
  ['a scope that the client may not have', bounded, 'openid email', 'openid'],
  ['offline_access', {}, 'openid offline_access', 'openid offline_access'],
  ['offline_access, not registered', bounded, 'openid offline_access', 'openid offline_access'],
  ['offline_access without refresh tokens', { grant_types: code }, 'openid offline_access', 'openid'],
  ['roles, first-party', { first_party: true }, 'openid roles', 'openid roles'],
  ['roles', {}, 'openid roles', 'openid roles'],
  ['roles, not registered', bounded, 'openid roles', 'openid'],
];

testOnServers(
  'a login gets the scopes that the client may have, and a refresh with the same scope goes on',
  async (t, server) => {
    const user = await makeUser(server.db);
    for (const [title, client, scope, granted] of logins) {
      const scene = await setUpScene(server, { client, user });
      const tokens = await logIn(scene, { scope });
      t.is(tokens.scope, granted, title);
      if (!tokens.refresh_token) continue;
      const next = await oidc.refreshTokenGrant(scene.config, tokens.refresh_token, { scope });
      t.is(next.scope, granted, `${title}, refreshed`);
    }
  },
);

testOnServers('a pushed request and a device get the same scopes as a plain request', async (t, server) => {
  const scene = await setUpScene(server);
  const scope = 'openid offline_access groups';
  const started = await startRequest(scene, { scope });
  const pushed = await oidc.buildAuthorizationUrlWithPAR(scene.config, started.parameters);
  const back = await answerPages(scene, await scene.ua.open(pushed.href));
  const tokens = await oidc.authorizationCodeGrant(scene.config, back, started.checks);
  t.is(tokens.scope, 'openid offline_access');

  const device = await setUpScene(server, {
    client: { grant_types: [deviceGrant, 'refresh_token'] },
    user: scene.user,
    ua: scene.ua,
  });
  const asked = await oidc.initiateDeviceAuthorization(device.config, { scope });
  t.is((await connectDevice(device, asked)).scope, 'openid offline_access');
});

testOnServers('a consent that was given without offline_access is good for it', async (t, server) => {
  const scene = await setUpScene(server);
  await logIn(scene, { scope: 'openid profile' });
  const silent = await startRequest(scene, { scope: 'openid profile offline_access', prompt: 'none' });
  const back = sentTo(await scene.ua.open(silent.url.href));
  const tokens = await oidc.authorizationCodeGrant(scene.config, back, silent.checks);
  t.is(tokens.scope, 'openid profile offline_access');
});

testOnServers(
  'a scope of an API that cannot be granted is refused, at once and at each entrance',
  async (t, server) => {
    const [orders, bills] = [await makeApi(server), await makeApi(server)];
    const { client_id, ua, ...scene } = await setUpScene(server, {
      client: { scope: `openid ${orders.name}:read` },
    });
    const wrong: Record<string, string>[] = [
      { scope: `openid ${orders.name}:write`, resource: orders.identifier },
      { scope: `openid ${orders.name}:write` },
      { scope: `openid ${bills.name}:read`, resource: orders.identifier },
      { scope: `openid ${orders.name}:read ${bills.name}:read` },
      { scope: 'openid account' },
      { scope: 'openid admin', resource: `${server.issuer}/api` },
      { scope: 'nobody:knows:this', nonce: '' },
    ];
    for (const more of wrong) {
      const title = JSON.stringify(more);
      const { url, parameters } = await startRequest({ ...scene, client_id, ua }, more);
      t.is(sentTo(await ua.send(url.href)).searchParams.get('error'), 'invalid_scope', title);
      const form = { ...parameters, response_type: 'code', client_id, client_secret: secret };
      const refused = { status: 400, error: 'invalid_scope' };
      assertRefused(t, await send(`${server.url}/par`, { form }), refused, title);
    }
  },
);

testOnServers('control characters and quotes bring no scope in', async (t, server) => {
  const scene = await setUpScene(server);
  for (const scope of ['openid\u0007email', 'openid email\u007f', 'openid "email"', 'openid em\\ail']) {
    const { url } = await startRequest(scene, { scope });
    const error = sentTo(await scene.ua.send(url.href)).searchParams.get('error');
    t.is(error, 'invalid_scope', JSON.stringify(scope));
    const { client, tokens } = await signIn(server, { form: { scope: 'openid account' } });
    const answer = await refresh(server, client, tokens.refresh_token, { scope });
    assertRefused(t, answer, { status: 400, error: 'invalid_scope' }, JSON.stringify(scope));
  }
});

testOnServers('a refresh widens nothing by what it ignores', async (t, server) => {
  const api = await makeApi(server);
  const { client, tokens } = await signIn(server, { form: { scope: 'openid account' } });
  const ask = async (scope: string) => await refresh(server, client, tokens.refresh_token, { scope });
  for (const scope of ['openid email', 'openid roles', `openid ${api.name}:read`, 'account admin', 'groups'])
    assertRefused(t, await ask(scope), { status: 400, error: 'invalid_scope' }, scope);
  t.is(tokensOf(await ask('openid account groups offline_access')).scope, 'openid account');
});

testOnServers('scopes that belong to one API mean it, by every grant', async (t, server) => {
  const [api, other] = [await makeApi(server), await makeApi(server)];
  const scope = `${api.name}:read`;
  const audOf = (access_token: string) => readJwt(access_token).claims.aud;
  const user = await makeUser(server.db);
  const client = await makeClient(server.db, { default_resource: other.identifier });
  const tokens = tokensOf(await login(server, user, client, { scope: `openid ${scope}` }));
  t.is(audOf(tokens.access_token), api.identifier, 'password');
  t.is(tokens.scope, `openid ${scope}`);

  const scene = await setUpScene(server, { user });
  const answer = await logIn(scene, { scope: `openid ${scope} ${api.name}:write groups` });
  t.is(audOf(answer.access_token), api.identifier, 'code');
  const next = await oidc.refreshTokenGrant(scene.config, answer.refresh_token ?? '');
  t.is(audOf(next.access_token), api.identifier, 'a refresh keeps it');

  const machine = await makeConfidentialClient(server, {
    ...{ first_party: false, grant_types: ['client_credentials'], scope },
  });
  const own = tokensOf(await token(server, { grant_type: 'client_credentials', ...machine, scope }));
  t.is(audOf(own.access_token), api.identifier, 'client_credentials');

  const both = { resource: [api.identifier, other.identifier], scope: `${scope} ${other.name}:read` };
  const several = tokensOf(await login(server, user, client, both));
  const narrow = await refresh(server, client, several.refresh_token, { scope });
  t.is(audOf(tokensOf(narrow).access_token), api.identifier, 'of the APIs of a session');
});

testOnServers('a scope of two APIs means the client’s default one, or none', async (t, server) => {
  made += 1;
  const shared = `shared${made}`;
  const [one, two] = [await makeApi(server, ` ${shared}`), await makeApi(server, ` ${shared}`)];
  const user = await makeUser(server.db);
  const chooses = await makeClient(server.db, { default_resource: two.identifier });
  const tokens = tokensOf(await login(server, user, chooses, { scope: shared }));
  t.is(readJwt(tokens.access_token).claims.aud, two.identifier);
  const client = await makeClient(server.db);
  const refused = { status: 400, error: 'invalid_scope' };
  assertRefused(t, await login(server, user, client, { scope: shared }), refused);
  const named = tokensOf(await login(server, user, client, { scope: shared, resource: one.identifier }));
  t.is(readJwt(named.access_token).claims.aud, one.identifier);
});
