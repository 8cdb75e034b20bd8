// Attacks on the code flow: a code of another client, used twice, or without its proof.
import type { ExecutionContext } from 'ava';
import { SignJWT } from 'jose';
import * as oidc from 'openid-client';
import {
  callback,
  getCode,
  logIn,
  publicClient,
  type Scene,
  secret,
  sentTo,
  setUpScene,
  startRequest,
} from '../helpers/code_flow.ts';
import { makeKey, proofFor } from '../helpers/dpop.ts';
import { isActive, token } from '../helpers/oauth.ts';
import { type TestServer, testOnOwnServers, testOnServers } from '../helpers/server.ts';

const errorOf = (url: URL) => url.searchParams.get('error');

/** The exchange of a code with these parameters. */
async function exchange({ server, client_id }: Scene, form: Record<string, string>, auth = true) {
  const grant = { grant_type: 'authorization_code', redirect_uri: callback };
  const basic = { authorization: `Basic ${Buffer.from(`${client_id}:${secret}`).toString('base64')}` };
  return await token(
    server,
    { ...grant, ...(auth ? {} : { client_id }), ...form },
    auth ? { headers: basic } : {},
  );
}

async function reasonsOf(server: TestServer, { client_id }: Scene) {
  const rows = await server.db('sessions').where({ client_id }).orderBy('id');
  return rows.map((row) => row.ended_reason);
}

testOnServers('a code that is used twice ends the session that it opened', async (t, server) => {
  const scene = await setUpScene(server);
  const { code, code_verifier } = await getCode(scene);
  const first = await exchange(scene, { code, code_verifier });
  t.is(first.status, 200);
  const again = await exchange(scene, { code, code_verifier });
  t.deepEqual([again.status, again.body.error], [400, 'invalid_grant']);
  t.deepEqual(await reasonsOf(server, scene), ['code_reused']);
  t.false(await isActive(server, String(first.body.access_token)));
  t.false(await isActive(server, String(first.body.refresh_token)));
});

testOnServers(
  'a code used ten times at once succeeds at most once, and its session ends',
  async (t, server) => {
    const scene = await setUpScene(server);
    const { code, code_verifier } = await getCode(scene);
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => exchange(scene, { code, code_verifier })),
    );
    const won = answers.filter(({ status }) => status === 200);
    t.true(won.length <= 1);
    for (const lost of answers.filter(({ status }) => status !== 200))
      t.deepEqual([lost.status, lost.body.error], [400, 'invalid_grant']);
    t.deepEqual(await reasonsOf(server, scene), ['code_reused']);
    for (const { body } of won) t.false(await isActive(server, String(body.access_token)));
  },
);

testOnServers('a stolen code is refused for another client or without its verifier', async (t, server) => {
  const scene = await setUpScene(server, { client: { redirect_uris: [callback, `${callback}/2`] } });
  const thief = await setUpScene(server);
  const { code, code_verifier } = await getCode(scene);
  const refused = async (from: Scene, form: Record<string, string>) => {
    const { status, body } = await exchange(from, { code, code_verifier, ...form });
    t.deepEqual([status, body.error], [400, 'invalid_grant'], JSON.stringify(form));
  };
  await refused(thief, {});
  await refused(scene, { redirect_uri: `${callback}/2` });
  await refused(scene, { code_verifier: oidc.randomPKCECodeVerifier() });
  await refused(scene, { code_verifier: `${code_verifier}x` });
  const without = await exchange(scene, { code });
  t.deepEqual([without.status, without.body.error], [400, 'invalid_grant']);
  const unauthenticated = await exchange(scene, { code, code_verifier }, false);
  t.is(unauthenticated.status, 401);
  t.is(
    (await exchange(scene, { code, code_verifier })).status,
    200,
    'the code is still valid for its own client',
  );
});

async function assertAsked(t: ExecutionContext, scene: Scene, more: Record<string, string>) {
  const { url } = await startRequest(scene, more);
  t.is(errorOf(sentTo(await scene.ua.send(url.href))), 'invalid_request', JSON.stringify(more));
}

testOnServers('a public client must use PKCE, with S256', async (t, server) => {
  const scene = await setUpScene(server, { client: publicClient });
  await assertAsked(t, scene, { code_challenge: '', code_challenge_method: '' });
  await assertAsked(t, scene, { code_challenge_method: 'plain' });
  await assertAsked(t, scene, { code_challenge_method: '' });
  await assertAsked(t, scene, { code_challenge_method: 's256' });
  await assertAsked(t, scene, { code_challenge: 'short' });
  const confidential = await setUpScene(server);
  const { code } = await getCode(confidential, { code_challenge: '', code_challenge_method: '' });
  const added = await exchange(confidential, { code, code_verifier: oidc.randomPKCECodeVerifier() });
  t.deepEqual([added.status, added.body.error], [400, 'invalid_grant'], 'a verifier for no challenge');
});

testOnOwnServers('PKCE=all requires PKCE of every client', { PKCE: 'all' }, async (t, server) => {
  const scene = await setUpScene(server);
  await assertAsked(t, scene, { code_challenge: '', code_challenge_method: '' });
  t.is((await logIn(scene)).claims()?.sub, scene.user.id);
});

testOnServers('the client notices an answer of another issuer', async (t, server) => {
  const scene = await setUpScene(server);
  const { back, started } = await getCode(scene);
  back.searchParams.set('iss', 'https://evil.example');
  await t.throwsAsync(oidc.authorizationCodeGrant(scene.config, back, started.checks), {
    message: /response/,
  });
  back.searchParams.delete('iss');
  await t.throwsAsync(oidc.authorizationCodeGrant(scene.config, back, started.checks), {
    message: /response/,
  });
  t.is(scene.config.serverMetadata().authorization_response_iss_parameter_supported, true);
});

testOnServers('a third-party client gets neither account nor admin for any user', async (t, server) => {
  const all = 'openid account admin';
  const scene = await setUpScene(server, { client: { scope: all } });
  for (const scope of ['openid account', 'openid admin', all]) {
    for (const resource of ['', `${server.issuer}/api`]) {
      const { url } = await startRequest(scene, { scope, resource });
      t.is(errorOf(sentTo(await scene.ua.send(url.href))), 'invalid_scope', `${scope} ${resource}`);
    }
  }
});

testOnServers('an assertion or proof that was used before is refused', async (t, server) => {
  const { publicKey, privateKey } = await makeKey();
  const jwk = { ...(await crypto.subtle.exportKey('jwk', publicKey)), kid: 'mine', alg: 'ES256' };
  const client = {
    client_secret: undefined,
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: 'ES256',
    jwks: { keys: [jwk] },
  } as never;
  const scene = await setUpScene(server, {
    client,
    auth: oidc.PrivateKeyJwt({ key: privateKey, kid: 'mine' }),
  });
  const { refresh_token = '' } = await logIn(scene);
  const { client_id } = scene;
  const assertion = await new SignJWT({ jti: crypto.randomUUID() })
    .setProtectedHeader({ alg: 'ES256', kid: 'mine' })
    .setIssuer(client_id)
    .setSubject(client_id)
    .setAudience(server.issuer)
    .setIssuedAt()
    .setExpirationTime('1m')
    .sign(privateKey);
  const form = {
    grant_type: 'refresh_token',
    refresh_token,
    client_id,
    client_assertion: assertion,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
  };
  t.is((await token(server, form)).status, 200);
  const again = await token(server, form);
  t.deepEqual([again.status, again.body.error], [401, 'invalid_client']);

  const app = await setUpScene(server, { client: publicClient });
  const proof = await proofFor(await makeKey(), 'POST', `${server.issuer}/token`);
  const spend = async () => {
    const { code, code_verifier } = await getCode(app);
    const answer = await token(
      server,
      {
        grant_type: 'authorization_code',
        client_id: app.client_id,
        redirect_uri: callback,
        code,
        code_verifier,
      },
      { headers: { DPoP: proof } },
    );
    return [answer.status, answer.body.error];
  };
  t.deepEqual(await spend(), [200, undefined]);
  t.deepEqual(await spend(), [400, 'invalid_grant']);
});
