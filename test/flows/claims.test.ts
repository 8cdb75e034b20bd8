// What ID tokens and userinfo say about a user: by scope, by client, and after a change of the user.
import { decodeJwt, jwtVerify } from 'jose';
import * as oidc from 'openid-client';
import type { NewClient } from '../../src/core/clients/client_metadata.ts';
import { json } from '../../src/core/store/columns.ts';
import { makeUser, updatedAtOf } from '../helpers/builders.ts';
import { send } from '../helpers/client.ts';
import { callback, logIn, publicClient, setUpScene } from '../helpers/code_flow.ts';
import { keySetOf } from '../helpers/oauth.ts';
import { makeResourceServer } from '../helpers/resources.ts';
import { type TestServer, testOnServers } from '../helpers/server.ts';

const ofLogin = new Set('iss sub aud exp iat nonce sid acr amr auth_time at_hash'.split(' '));

/** The claims of an ID token about the user, without those about the login. */
function claimsOf(id_token = ''): Record<string, unknown> {
  return Object.fromEntries(Object.entries(decodeJwt(id_token)).filter(([name]) => !ofLogin.has(name)));
}

async function userinfo({ url }: TestServer, access_token: string): Promise<object> {
  const { sub: _, ...claims } = (await send(`${url}/userinfo`, { token: access_token })).body;
  return claims;
}

/** The clients, and whether their ID tokens carry the claims of the scopes, without and with an API in the request. */
const clients: Record<string, [Partial<NewClient>, boolean, boolean]> = {
  'a third-party web client': [{}, true, true],
  'a third-party single-page app': [publicClient, true, true],
  'a third-party web client that wants none': [{ id_token_claims: false }, false, false],
  'a web client on the machine of its developer': [
    { redirect_uris: ['http://127.0.0.1:8080/cb'] },
    true,
    true,
  ],
  'a third-party app on a device': [{ application_type: 'native' }, false, true],
  'an app on a device that wants them': [{ application_type: 'native', id_token_claims: true }, true, true],
  // Without another API its tokens are for ours.
  'a first-party client': [{ first_party: true }, true, true],
  'a first-party client that wants none': [{ first_party: true, id_token_claims: false }, false, false],
};

testOnServers(
  'each client finds the claims of its scopes in the ID token or not, alike at the login and at a refresh',
  async (t, server) => {
    const email = `${server.store}@claims.example`;
    const user = await makeUser(server.db, { email, roles: ['editor'] });
    const api = await makeResourceServer(server);
    const all = {
      ...{ preferred_username: user.username, updated_at: updatedAtOf(user), email, email_verified: false },
      ...{ roles: ['editor'], groups: ['editor'] },
    };
    for (const [title, [client, alone, withApi]] of Object.entries(clients)) {
      const scene = await setUpScene(server, { client, user });
      const requests = [
        { isIn: alone, more: { scope: 'openid profile email roles', resource: '' } },
        {
          isIn: withApi,
          more: { scope: 'openid profile email roles orders:read', resource: api.identifier },
        },
      ];
      const [redirect_uri = callback] = client.redirect_uris ?? [];
      for (const { isIn, more } of requests) {
        const tokens = await logIn(scene, { ...more, redirect_uri });
        t.deepEqual(claimsOf(tokens.id_token), isIn ? all : {}, `${title}: ${more.scope}`);
        const next = await oidc.refreshTokenGrant(scene.config, tokens.refresh_token ?? '');
        t.deepEqual(claimsOf(next.id_token), isIn ? all : {}, `${title}, refreshed: ${more.scope}`);
      }
    }
  },
);

testOnServers('a client reads only the claims of the scopes that it was granted', async (t, server) => {
  const email = `${server.store}@few.example`;
  const user = await makeUser(server.db, { email, roles: ['editor'] });
  const cases = {
    openid: {},
    'openid profile': { preferred_username: user.username, updated_at: updatedAtOf(user) },
    'openid email': { email, email_verified: false },
    'openid roles': { roles: ['editor'], groups: ['editor'] },
  };
  for (const [scope, expected] of Object.entries(cases)) {
    const scene = await setUpScene(server, { user });
    const tokens = await logIn(scene, { scope });
    t.deepEqual(claimsOf(tokens.id_token), expected, scope);
    t.deepEqual(await userinfo(server, tokens.access_token), expected, scope);
  }
});

testOnServers('roles are those that the user has now, at a refresh and at userinfo', async (t, server) => {
  const user = await makeUser(server.db, { roles: ['editor', 'author'] });
  const scene = await setUpScene(server, { user });
  const tokens = await logIn(scene, { scope: 'openid roles' });
  await server
    .db('users')
    .where({ id: user.id })
    .update({ roles: json(['author']) });
  const now = { roles: ['author'], groups: ['author'] };
  t.deepEqual(await userinfo(server, tokens.access_token), now);
  const next = await oidc.refreshTokenGrant(scene.config, tokens.refresh_token ?? '');
  t.deepEqual(claimsOf(next.id_token), now);
});

testOnServers(
  'userinfo is signed for a client that registered an algorithm for it, and JSON for others',
  async (t, server) => {
    const user = await makeUser(server.db);
    const ask = async (client: Partial<NewClient>) => {
      const scene = await setUpScene(server, { client, user });
      const { access_token } = await logIn(scene, { scope: 'openid profile' });
      const headers = { authorization: `Bearer ${access_token}` };
      return { scene, answer: await fetch(`${server.url}/userinfo`, { headers }) };
    };
    const plain = await ask({});
    t.regex(plain.answer.headers.get('content-type') ?? '', /^application\/json/);
    const { scene, answer } = await ask({ userinfo_signed_response_alg: 'ES256' });
    t.is(answer.headers.get('content-type'), 'application/jwt');
    const expected = { issuer: server.issuer, audience: scene.client_id };
    const { payload, protectedHeader } = await jwtVerify(await answer.text(), keySetOf(server), expected);
    t.is(protectedHeader.alg, 'ES256');
    t.like(payload, { sub: user.id, preferred_username: user.username });
    t.true(Math.abs(Number(payload.iat) - Date.now() / 1000) < 600);
    const { userinfo_signing_alg_values_supported: offered = [] } = scene.config.serverMetadata();
    t.true((offered as string[]).includes('ES256'));
  },
);
