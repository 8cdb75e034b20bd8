// OWASP ASVS 5.0, chapters V9 and V10: the points that no other test covers. docs/security.md has the table of all points.
import { exportJWK } from 'jose';
import * as oidc from 'openid-client';
import { digest } from '../../src/lib/crypto.ts';
import { adminScope, enterAsAdmin } from '../helpers/admin.ts';
import { makeClient } from '../helpers/builders.ts';
import { assertRefused, type Json, send } from '../helpers/client.ts';
import {
  callback,
  getCode,
  logIn,
  publicClient,
  sentTo,
  setUpScene,
  startRequest,
} from '../helpers/code_flow.ts';
import { makeKey, proofFor } from '../helpers/dpop.ts';
import { api, login, readJwt, signIn, token } from '../helpers/oauth.ts';
import { makeConfidentialClient } from '../helpers/resources.ts';
import { rowOf } from '../helpers/rows.ts';
import { testOnOwnServers, testOnServers } from '../helpers/server.ts';
import { textOf } from '../helpers/user_agent.ts';

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

testOnServers(
  'ASVS 9.1.2: a proof, assertion or request object that is unsigned or signed with a secret is refused',
  async (t, server) => {
    const key = await makeKey();
    const { user, client } = await signIn(server);
    for (const alg of ['none', 'HS256']) {
      const good = await proofFor(key, 'POST', `${server.issuer}/token`);
      const [, claims] = good.split('.');
      const header = encode({ alg, typ: 'dpop+jwt', jwk: await exportJWK(key.publicKey) });
      for (const signature of ['', 'c2lnbmVk']) {
        const headers = { DPoP: `${header}.${claims}.${signature}` };
        assertRefused(t, await login(server, user, client, {}, { headers }), {
          status: 400,
          error: 'invalid_dpop_proof',
        });
      }
    }
    const { client_id } = await makeConfidentialClient(server, { grant_types: ['client_credentials'] });
    const now = Math.floor(Date.now() / 1000);
    const claims = encode({
      iss: client_id,
      sub: client_id,
      aud: server.issuer,
      jti: 'x',
      iat: now,
      exp: now + 60,
    });
    const unsigned = await token(server, {
      grant_type: 'client_credentials',
      client_id,
      client_assertion: `${encode({ alg: 'none' })}.${claims}.`,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    });
    t.is(unsigned.status, 401);
    const scene = await setUpScene(server);
    const request = `${encode({ alg: 'none' })}.${encode({ client_id: scene.client_id, scope: 'openid' })}.`;
    const { url } = await startRequest(scene, { request });
    t.is(sentTo(await scene.ua.send(url.href)).searchParams.get('error'), 'invalid_request_object');
  },
);

testOnServers(
  'ASVS 9.2.4: no two resource servers share an audience, and similar audiences are different ones',
  async (t, server) => {
    const admin = await enterAsAdmin(server);
    const json = { identifier: 'https://twice.example.test/', scope: 'a' };
    const post = async (body: object) =>
      await api(server, 'POST /admin/resource-servers', admin.token, { json: body });
    t.is((await post(json)).status, 201);
    t.is((await post(json)).status, 409);
    const identifier = `${server.issuer}/api/`;
    for (const scope of ['account', 'admin'])
      t.is((await post({ identifier, scope })).status, 400, 'our own scopes');
    t.is((await post({ identifier, scope: 'orders:read' })).status, 201);
    const { tokens } = await signIn(server, { form: { resource: identifier } });
    t.is(readJwt(tokens.access_token).claims.aud, identifier);
    t.is((await api(server, 'GET /me', tokens.access_token)).status, 401);
  },
);

testOnServers('ASVS 10.4.3: a code expires after a minute', async (t, server) => {
  const scene = await setUpScene(server, { client: publicClient });
  const { code, code_verifier } = await getCode(scene);
  const stored = server.db('oidc_models').where({ model: 'AuthorizationCode', id: digest(code) });
  const { created_at, expires_at } = await rowOf(stored.clone().first());
  t.true(Number(expires_at) - Number(created_at) <= 61_000);
  await stored.update({ expires_at: new Date(Date.now() - 1) });
  const form = { grant_type: 'authorization_code', client_id: scene.client_id, redirect_uri: callback };
  const late = await token(server, { ...form, code, code_verifier });
  assertRefused(t, late, { status: 400, error: 'invalid_grant' });
});

testOnServers(
  'ASVS 10.4.4: a client cannot use a grant type that it is not registered for',
  async (t, server) => {
    const { user, tokens } = await signIn(server);
    const machine = await makeConfidentialClient(server, { grant_types: ['client_credentials'] });
    const asked: Record<string, string>[] = [
      { grant_type: 'password', username: user.username, password: 'correct horse battery staple' },
      { grant_type: 'refresh_token', refresh_token: tokens.refresh_token },
      { grant_type: 'authorization_code', code: 'x', redirect_uri: callback },
      { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code: 'x' },
    ];
    for (const form of asked) {
      const answer = await token(server, { ...form, ...machine });
      assertRefused(t, answer, { status: 400, error: 'unauthorized_client' }, form.grant_type);
    }
    const implicit = await token(server, { grant_type: 'implicit', ...machine });
    assertRefused(t, implicit, { status: 400, error: 'unsupported_grant_type' });
  },
);

testOnOwnServers(
  'ASVS 10.4.7: a client that registered itself needs consent, and the page says that it is not verified',
  { REGISTRATION: 'open' },
  async (t, server) => {
    const json = { redirect_uris: [callback], client_name: 'Kindred', token_endpoint_auth_method: 'none' };
    for (const bad of ['javascript:alert(1)', 'data:text/html,x', 'https://app.example/#x', 'no url'])
      t.is(
        (await send(`${server.url}/register`, { json: { ...json, redirect_uris: [bad] } })).status,
        400,
        bad,
      );
    const { body } = await send(`${server.url}/register`, { json });
    const client_id = String(body.client_id);
    const known = await setUpScene(server, { client: publicClient });
    const { url } = await startRequest(known);
    url.searchParams.set('client_id', client_id);
    const page = await known.ua.submit(await known.ua.open(url.href), '/login', {
      username: known.user.username,
      password: 'correct horse battery staple',
    });
    const warned = textOf(page);
    t.regex(warned, /app\.example/, 'where the answer goes');
    t.regex(warned, /This app has not been verified/);
    t.is((await rowOf(server.db('clients').where({ client_id }).first())).first_party, false);
  },
);

testOnServers(
  'ASVS 10.4.10: no endpoint accepts a confidential client without its secret',
  async (t, server) => {
    const scene = await setUpScene(server, { client: { token_endpoint_auth_method: 'client_secret_post' } });
    const { client_id } = scene;
    const { refresh_token = '' } = await logIn({
      ...scene,
      config: await oidc.discovery(
        new URL(server.issuer),
        client_id,
        undefined,
        oidc.ClientSecretPost('the-secret-of-the-web-client-of-these-tests'),
        { execute: [oidc.allowInsecureRequests] },
      ),
    });
    const { parameters } = await startRequest(scene);
    const questions: [string, Record<string, string>][] = [
      ['/token', { grant_type: 'refresh_token', refresh_token }],
      ['/par', { ...parameters, response_type: 'code' }],
      ['/revoke', { token: refresh_token }],
      ['/introspect', { token: refresh_token }],
      ['/device/authorize', {}],
    ];
    for (const [path, form] of questions) {
      for (const secret of [{}, { client_secret: 'a wrong one' }, { client_secret: '' }]) {
        const answer = await send(server.url + path, { form: { ...form, client_id, ...secret } });
        t.is(answer.status, 401, `${path} ${JSON.stringify(secret)}`);
        t.is(answer.body.error, 'invalid_client');
      }
    }
    t.is((await rowOf(server.db('sessions').where({ client_id }).first())).ended_at, null);
  },
);

testOnServers('ASVS 10.4.11: a client gets no scope that it is not registered for', async (t, server) => {
  const narrow = await makeClient(server.db, { scope: 'openid account' });
  const { user } = await enterAsAdmin(server);
  for (const scope of ['admin', adminScope, 'orders:read']) {
    const answer = await login(server, user, narrow, { scope });
    assertRefused(t, answer, { status: 400, error: 'invalid_scope' }, scope);
  }
});

testOnServers(
  'ASVS 10.4.13: a client that must push its requests is refused without a pushed request',
  async (t, server) => {
    const scene = await setUpScene(server, { client: { require_pushed_authorization_requests: true } });
    const { url, parameters } = await startRequest(scene);
    const plain = await scene.ua.send(url.href);
    t.regex(`${plain.location} ${plain.text}`, /Pushed Authorization Request|invalid_request/i);
    t.notRegex(String(plain.location), /interaction/);
    const pushed = await oidc.buildAuthorizationUrlWithPAR(scene.config, parameters);
    t.regex(textOf(await scene.ua.open(pushed.href)), /Sign in/);
  },
);

testOnServers('ASVS 10.4.15: authorization_details of a request have no effect', async (t, server) => {
  const scene = await setUpScene(server);
  const details = JSON.stringify([{ type: 'payment', amount: 1 }]);
  const tokens = await logIn(scene, { authorization_details: details });
  t.is(tokens.authorization_details, undefined);
  const metadata: Json = { ...scene.config.serverMetadata() };
  t.is(metadata.authorization_details_types_supported, undefined);
});

testOnServers('ASVS 10.6.1: code is the only response type', async (t, server) => {
  const scene = await setUpScene(server);
  t.deepEqual(scene.config.serverMetadata().response_types_supported, ['code']);
  const admin = await enterAsAdmin(server);
  for (const response_types of [['token'], ['id_token'], ['code id_token']]) {
    const json = { redirect_uris: [callback], response_types };
    assertRefused(t, await api(server, 'POST /admin/clients', admin.token, { json }), {
      status: 400,
      error: 'invalid_client_metadata',
    });
  }
});
