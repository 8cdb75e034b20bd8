// The objects behind the references of generated requests: live users, clients and tokens, created again when they end.

import { randomUUID } from 'node:crypto';
import { exportJWK, SignJWT } from 'jose';
import { countStatistics } from '../../../src/core/statistics/count_statistics.ts';
import { clientToken, enterAsAdmin } from '../../helpers/admin.ts';
import { makeClient, makeUser } from '../../helpers/builders.ts';
import { type Json, send } from '../../helpers/client.ts';
import { makeKey, proofFor } from '../../helpers/dpop.ts';
import { api, login, refresh, signIn, type Tokens, tokensOf } from '../../helpers/oauth.ts';
import { makeConfidentialClient, makeResourceServer } from '../../helpers/resources.ts';
import { rowOf } from '../../helpers/rows.ts';
import type { TestServer } from '../../helpers/server.ts';
import { type BrowserAccount, openBrowserAccount } from './browser_account.ts';
import { callback } from './grants.ts';
import type { References } from './references.ts';

const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code';

/** Creates all objects, under the names of the references. */
export async function makeReferences(server: TestServer): Promise<References> {
  // The figures of an administrator exist once they have been counted.
  await countStatistics(server.db, { url: server.databaseUrl });
  // Tolerant of old tokens, or a reused one would end the session on which the other requests depend.
  const app = await makeClient(server.db, {
    rotation_profile: 'observe',
    grant_types: ['password', 'refresh_token', deviceGrant],
  });
  const { user, tokens } = await signIn(server, {
    client: app,
    form: { scope: 'openid account profile email', device_id: 'phone' },
  });
  // Its sessions may end without affecting the other callers.
  const spare = await signIn(server, { user, client: app });
  const [device, web, registered, used, machine] = await Promise.all([
    rowOf(server.db('devices').where({ user_id: user.id }).first()),
    openBrowserAccount(server),
    register(server),
    signInAndRefresh(server),
    enterAsMachine(server),
  ]);
  return {
    ...tokensOfApp(tokens),
    ...web.references,
    ...registered,
    ...used,
    ...machine,
    ...(await makeTokens(server, web)),
    ...(await startDevice(server, app.client_id)),
    ...(await makeProofs(server, tokens.access_token)),
    user_id: user.id,
    username: user.username,
    client_id: app.client_id,
    session_id: spare.tokens.session_id,
    device_id: device.id,
    issuer: server.issuer,
    cursor: Buffer.from(JSON.stringify([new Date().toISOString(), tokens.session_id])).toString('base64url'),
  };
}

/** Whether the callers of most requests still have live sessions. */
export async function areAlive(server: TestServer, references: References): Promise<boolean> {
  const asked = await Promise.all([
    api(server, 'GET /me', references.user_token),
    api(server, 'GET /admin/keys', references.admin_token),
    api(server, `GET /admin/clients/${references.web_client_id}`, references.admin_token),
  ]);
  return asked.every(({ status }) => status === 200);
}

function tokensOfApp({ access_token, refresh_token, id_token = '' }: Tokens) {
  return { user_token: access_token, refresh_token, id_token };
}

async function makeTokens(server: TestServer, { references: { web_client_id } }: BrowserAccount) {
  const admin = await enterAsAdmin(server);
  const { form, identifier } = await makeResourceServer(server, 'opaque');
  const opaque = await signIn(server, { form });
  const spare = await makeUser(server.db);
  const pushed = await send(`${server.url}/par`, {
    form: {
      client_id: web_client_id,
      redirect_uri: callback,
      response_type: 'code',
      scope: 'openid',
      code_challenge: 'x'.repeat(43),
      code_challenge_method: 'S256',
    },
  });
  return {
    admin_token: admin.token,
    opaque_token: opaque.tokens.access_token,
    resource: identifier,
    spare_user_id: spare.id,
    spare_client_id: (await makeConfidentialClient(server)).client_id,
    request_uri: String(pushed.body.request_uri),
  };
}

async function register({ url }: TestServer) {
  const { body } = await send(`${url}/register`, {
    json: { redirect_uris: [callback], client_name: 'Stranger', token_endpoint_auth_method: 'none' },
  });
  return {
    registered_client: String(body.client_id),
    registration_token: String(body.registration_access_token),
  };
}

async function signInAndRefresh(server: TestServer) {
  const { client, tokens } = await signIn(server);
  await refresh(server, client, tokens.refresh_token);
  const ended = await signIn(server);
  await api(server, 'POST /logout', ended.tokens.access_token, { json: {} });
  return { used_refresh_token: tokens.refresh_token, ended_session_id: ended.tokens.session_id };
}

async function enterAsMachine(server: TestServer) {
  const machine = await makeConfidentialClient(server, {
    scope: 'openid account admin',
    grant_types: ['client_credentials'],
    resource_server: '*',
  });
  return {
    machine_id: machine.client_id,
    machine_secret: machine.client_secret,
    machine_basic: Buffer.from(`${machine.client_id}:${machine.client_secret}`).toString('base64'),
    machine_token: await clientToken(server, machine, { scope: 'admin' }),
  };
}

async function startDevice({ url }: TestServer, client_id: string) {
  const { body } = await send(`${url}/device/authorize`, { form: { client_id, scope: 'openid' } });
  return { device_code: String(body.device_code), user_code: String(body.user_code) };
}

async function makeProofs(server: TestServer, accessToken: string) {
  const key = await makeKey();
  const jwk = { ...(await exportJWK(key.publicKey)), kid: 'mine', alg: 'ES256' };
  const { client_id } = await makeClient(server.db, {
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: 'ES256',
    jwks: { keys: [jwk as Json] },
    grant_types: ['client_credentials'],
  });
  const assertion = await new SignJWT({ jti: randomUUID() })
    .setProtectedHeader({ alg: 'ES256', kid: 'mine' })
    .setIssuer(client_id)
    .setSubject(client_id)
    .setAudience(server.issuer)
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(key.privateKey);
  return { assertion, dpop_proof: await proofFor(key, 'POST', `${server.issuer}/token`, { accessToken }) };
}

/** A user whose secrets no generated request sends, so that no answer may contain them. */
export async function makeBystander(
  server: TestServer,
): Promise<{ secrets: string[]; stillWorks: () => Promise<boolean> }> {
  const { user, client, tokens } = await signIn(server, { form: { scope: 'openid account' } });
  const confidential = await makeConfidentialClient(server);
  const row = await rowOf(server.db('users').where({ id: user.id }).first());
  const stored = await rowOf(server.db('clients').where({ client_id: confidential.client_id }).first());
  return {
    secrets: [
      tokens.access_token,
      tokens.refresh_token,
      tokens.id_token ?? tokens.refresh_token,
      confidential.client_secret,
      String(row.password_hash),
      ...stored.secrets.map((one) => one.digest),
    ],
    stillWorks: async () => {
      const next = tokensOf(await refresh(server, client, tokens.refresh_token));
      const again = tokensOf(await login(server, user, client));
      const me = await api(server, 'GET /me', next.access_token);
      return me.status === 200 && again.session_id !== next.session_id;
    },
  };
}
