// The protocol from end to end with openid-client, a certified client library of others.
import { createHash } from 'node:crypto';
import type { ExecutionContext } from 'ava';
import { jwtVerify } from 'jose';
import * as oidc from 'openid-client';
import { makeClient, makeUser, password, updatedAtOf } from '../helpers/builders.ts';
import { makeKey } from '../helpers/dpop.ts';
import { keySetOf } from '../helpers/oauth.ts';
import { makeConfidentialClient, makeResourceServer } from '../helpers/resources.ts';
import { gateway, type TestServer, testOnServers } from '../helpers/server.ts';

type Answer = oidc.TokenEndpointResponse & oidc.TokenEndpointResponseHelpers;

/** The configuration that the client discovers. */
async function discover(
  server: TestServer,
  client_id: string,
  auth: oidc.ClientAuth = oidc.None(),
): Promise<oidc.Configuration> {
  return await oidc.discovery(new URL(server.issuer), client_id, undefined, auth, {
    execute: [oidc.allowInsecureRequests],
    // Seconds; the default of thirty is too short on a busy machine.
    timeout: 120,
  });
}

/** A user and a public client of which openid-client knows nothing but the issuer. */
async function enter(server: TestServer, email?: string) {
  const { client_id } = await makeClient(server.db);
  const user = await makeUser(server.db, email ? { email } : {});
  return { user, config: await discover(server, client_id) };
}

async function logIn(
  config: oidc.Configuration,
  { username }: { username: string },
  form: Record<string, string> = {},
  options?: oidc.DPoPOptions,
): Promise<Answer & { refresh_token: string }> {
  const given = { username, password, scope: 'openid profile email account', ...form };
  const answer = await oidc.genericGrantRequest(config, 'password', given, options);
  return answer as Answer & { refresh_token: string };
}

async function refused(t: ExecutionContext, asked: Promise<unknown>, error: string): Promise<void> {
  const thrown = await t.throwsAsync(asked, { instanceOf: oidc.ResponseBodyError });
  t.deepEqual([thrown?.error, thrown?.status], [error, 400]);
}

/** A 401: openid-client reads its `WWW-Authenticate` only. */
async function challenged(t: ExecutionContext, asked: Promise<unknown>): Promise<void> {
  const thrown = await t.throwsAsync(asked, { instanceOf: oidc.WWWAuthenticateChallengeError });
  t.is(thrown?.status, 401);
}

/** Failed client authentication without the header; where there is a `WWW-Authenticate`, openid-client reads nothing else. */
async function unauthorized(t: ExecutionContext, asked: Promise<unknown>): Promise<void> {
  const thrown = await t.throwsAsync(asked, { instanceOf: oidc.ResponseBodyError });
  t.deepEqual([thrown?.error, thrown?.status], ['invalid_client', 401]);
}

testOnServers('discovery lists the endpoints, below the issuer', async (t, server) => {
  const { config } = await enter(server);
  const metadata = config.serverMetadata();
  const at = (path: string) => server.issuer + path;
  t.like(metadata, {
    issuer: server.issuer,
    token_endpoint: at('/token'),
    introspection_endpoint: at('/introspect'),
    revocation_endpoint: at('/revoke'),
    userinfo_endpoint: at('/userinfo'),
    jwks_uri: at('/jwks'),
    subject_types_supported: ['public'],
    scopes_supported: ['openid', 'profile', 'email', 'offline_access', 'roles'],
  });
  for (const grant of ['password', 'refresh_token', 'client_credentials']) {
    t.true(metadata.grant_types_supported?.includes(grant), grant);
  }
  const methods = ['client_secret_basic', 'client_secret_post', 'none', 'private_key_jwt'];
  t.deepEqual(metadata.token_endpoint_auth_methods_supported?.toSorted(), methods);
  const { href } = new URL('/.well-known/oauth-authorization-server', server.url);
  t.deepEqual(await (await fetch(href)).json(), JSON.parse(JSON.stringify(metadata)));
});

testOnServers('login, userinfo, refresh, introspection, revocation', async (t, server) => {
  const email = `${server.store}@openid.example`;
  const { user, config } = await enter(server, email);
  const tokens = await logIn(config, user);
  t.deepEqual(
    [tokens.token_type, tokens.expires_in, tokens.scope],
    ['bearer', 900, 'openid profile email account'],
  );
  const profile = { preferred_username: user.username, updated_at: updatedAtOf(user) };
  const claims = { sub: user.id, ...profile, email, email_verified: false };
  t.deepEqual(await oidc.fetchUserInfo(config, tokens.access_token, user.id), claims);

  const next = await oidc.refreshTokenGrant(config, tokens.refresh_token);
  t.deepEqual(await oidc.fetchUserInfo(config, next.access_token, user.id), claims);
  const api = await discover(server, gateway.client_id, oidc.ClientSecretPost(gateway.client_secret));
  const said = await oidc.tokenIntrospection(api, next.access_token);
  t.like(said, { active: true, sub: user.id, token_type: 'Bearer', scope: tokens.scope });

  await oidc.tokenRevocation(config, next.access_token);
  t.deepEqual(await oidc.tokenIntrospection(api, next.access_token), { active: false });
  const third = await oidc.refreshTokenGrant(config, next.refresh_token ?? '');
  await oidc.tokenRevocation(config, third.refresh_token ?? '', { token_type_hint: 'refresh_token' });
  t.deepEqual(await oidc.tokenIntrospection(api, third.access_token), { active: false });
  await refused(t, oidc.refreshTokenGrant(config, third.refresh_token ?? ''), 'invalid_grant');
});

testOnServers(
  'the ID token names user, time, method and session, also after a refresh',
  async (t, server) => {
    const { user, config } = await enter(server);
    const tokens = await logIn(config, user);
    const keys = keySetOf(server);
    const next = await oidc.refreshTokenGrant(config, tokens.refresh_token);
    let first: unknown;
    for (const { id_token = '' } of [tokens, next]) {
      const { payload } = await jwtVerify(id_token, keys, {
        issuer: server.issuer,
        audience: config.clientMetadata().client_id,
      });
      const { iat = 0, exp, auth_time, at_hash: _, ...claims } = payload;
      t.deepEqual(claims, {
        iss: server.issuer,
        sub: user.id,
        aud: config.clientMetadata().client_id,
        amr: ['pwd'],
        sid: tokens.session_id,
        preferred_username: user.username,
        updated_at: updatedAtOf(user),
      });
      t.is(exp, iat + 900);
      first ??= auth_time;
      t.is(auth_time, first as number, 'a refresh is not a login');
      t.true(Math.abs(Number(auth_time) - Date.now() / 1000) < 600);
    }
  },
);

testOnServers(
  'userinfo returns the claims of the scopes and requires the scope openid',
  async (t, server) => {
    const { user, config } = await enter(server, `little-${server.store}@openid.example`);
    const { access_token } = await logIn(config, user, { scope: 'openid account' });
    t.deepEqual(await oidc.fetchUserInfo(config, access_token, user.id), { sub: user.id });
    const without = await logIn(config, user, { scope: 'account' });
    const asked = oidc.fetchUserInfo(config, without.access_token, user.id);
    const thrown = await t.throwsAsync(asked, { instanceOf: oidc.WWWAuthenticateChallengeError });
    t.is(thrown?.status, 403);
  },
);

testOnServers('private_key_jwt authenticates a client without a shared secret', async (t, server) => {
  const { form } = await makeResourceServer(server);
  const { publicKey, privateKey } = await makeKey();
  const jwk = await crypto.subtle.exportKey('jwk', publicKey);
  const { client_id } = await makeClient(server.db, {
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [{ ...jwk, kid: 'mine', alg: 'ES256', use: 'sig' }] },
    grant_types: ['client_credentials', 'password', 'refresh_token'],
    scope: 'openid profile email offline_access account orders:read',
  });
  const config = await discover(server, client_id, oidc.PrivateKeyJwt({ key: privateKey, kid: 'mine' }));
  const own = await oidc.clientCredentialsGrant(config, form as Record<string, string>);
  t.like(await oidc.tokenIntrospection(config, own.access_token), { active: true, client_id });
  const tokens = await logIn(config, await makeUser(server.db));
  const next = await oidc.refreshTokenGrant(config, tokens.refresh_token);
  t.like(await oidc.tokenIntrospection(config, next.refresh_token ?? ''), { active: true });
  await oidc.tokenRevocation(config, next.refresh_token ?? '');
  t.deepEqual(await oidc.tokenIntrospection(config, next.access_token), { active: false });

  const stranger = await makeKey();
  const forged = await discover(
    server,
    client_id,
    oidc.PrivateKeyJwt({ key: stranger.privateKey, kid: 'mine' }),
  );
  await unauthorized(t, oidc.clientCredentialsGrant(forged, form as Record<string, string>));
});

for (const [name, method] of [
  ['client_secret_post', oidc.ClientSecretPost],
  ['client_secret_basic', oidc.ClientSecretBasic],
] as const) {
  testOnServers(`${name}: a client with a secret`, async (t, server) => {
    const { client_id, client_secret } = await makeConfidentialClient(server, {
      token_endpoint_auth_method: name,
    });
    const user = await makeUser(server.db);
    const config = await discover(server, client_id, method(client_secret));
    const tokens = await logIn(config, user);
    const next = await oidc.refreshTokenGrant(config, tokens.refresh_token);
    t.like(await oidc.tokenIntrospection(config, next.access_token), { active: true });
    const wrong = await discover(server, client_id, method(`${client_secret}x`));
    const fails = name === 'client_secret_basic' ? challenged : unauthorized;
    await fails(t, oidc.refreshTokenGrant(wrong, next.refresh_token ?? ''));
    await oidc.refreshTokenGrant(config, next.refresh_token ?? '');
  });
}

testOnServers(
  'DPoP: a public client’s tokens are bound to its key, also after a refresh',
  async (t, server) => {
    const { user, config } = await enter(server);
    const keys = await oidc.randomDPoPKeyPair();
    const DPoP = oidc.getDPoPHandle(config, keys);
    const tokens = await logIn(config, user, {}, { DPoP });
    t.is(tokens.token_type, 'dpop');
    const next = await oidc.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP });
    const { cnf } = JSON.parse(Buffer.from(next.access_token.split('.')[1] ?? '', 'base64url').toString());
    t.is(cnf.jkt, await thumbprintOf(keys.publicKey));

    const me = new URL(`${server.url}/api/me`);
    const ask = (handle?: oidc.DPoPHandle) =>
      oidc.fetchProtectedResource(
        config,
        next.access_token,
        me,
        'GET',
        null,
        undefined,
        handle ? { DPoP: handle } : {},
      );
    t.is((await ask(DPoP)).status, 200);
    await challenged(t, ask());
    t.is((await oidc.fetchUserInfo(config, next.access_token, user.id, { DPoP })).sub, user.id);

    const thief = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair());
    await challenged(t, ask(thief));
    const { refresh_token = '' } = next;
    await refused(t, oidc.refreshTokenGrant(config, refresh_token), 'invalid_grant');
    await refused(
      t,
      oidc.refreshTokenGrant(config, refresh_token, undefined, { DPoP: thief }),
      'invalid_grant',
    );
    await oidc.refreshTokenGrant(config, refresh_token, undefined, { DPoP });
  },
);

async function thumbprintOf(key: oidc.CryptoKey): Promise<string> {
  const { crv, kty, x, y } = await crypto.subtle.exportKey('jwk', key);
  return createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');
}
