// The type of JWT access tokens, which a resource server chooses, and that no other JWT of ours counts as an access token.
import type { ExecutionContext } from 'ava';
import { importJWK, SignJWT } from 'jose';
import * as oidc from 'openid-client';
import { createResourceServer } from '../../src/core/clients/resource_servers.ts';
import type { Deps } from '../../src/core/deps.ts';
import { makeClient, makeUser } from '../helpers/builders.ts';
import { type Json, send } from '../helpers/client.ts';
import { getCode, setUpScene } from '../helpers/code_flow.ts';
import { makeKey, proofFor } from '../helpers/dpop.ts';
import { api, introspect, login, readJwt, refresh, revoke, token, tokensOf } from '../helpers/oauth.ts';
import { makeConfidentialClient } from '../helpers/resources.ts';
import { registerGateway, type TestServer, testOnServers } from '../helpers/server.ts';
import { type Store, testOnStores } from '../helpers/stores.ts';
import { issuer, openPair, ownApi } from '../helpers/twins.ts';

const orders = 'https://typed.example/orders';

const typeOf = (jwt: string) => readJwt(jwt).header.typ;

testOnServers(
  'a resource server gets JWTs of the type that it asks for, from every grant',
  async (t, server) => {
    await createResourceServer(server.db, {
      identifier: orders,
      scope: 'orders:read',
      access_token_typ: 'JWT',
    });
    const form = { resource: orders, scope: 'orders:read' };
    const client = await makeClient(server.db);
    const first = tokensOf(await login(server, await makeUser(server.db), client, form));
    const next = tokensOf(await refresh(server, client, first.refresh_token));
    const machine = await makeConfidentialClient(server, {
      scope: 'orders:read',
      grant_types: ['client_credentials'],
    });
    const own = tokensOf(await token(server, { grant_type: 'client_credentials', ...machine, ...form }));
    const spelled = orders.replace('typed.example', 'TYPED.example:443');
    const scene = await setUpScene(server, {
      client: { grant_types: ['authorization_code', 'refresh_token'] },
    });
    const { back, started } = await getCode(scene, { scope: 'openid orders:read', resource: spelled });
    const exchanged = await oidc.authorizationCodeGrant(scene.config, back, started.checks);
    for (const one of [first, next, own, exchanged]) {
      t.is(typeOf(one.access_token), 'JWT');
      t.like(await introspect(server, one.access_token), { active: true, aud: orders });
    }
    await revoke(server, next.access_token, client);
    t.deepEqual(await introspect(server, next.access_token), { active: false }, 'it is revoked as any other');
    t.is((await api(server, 'GET /me', first.access_token)).status, 401, 'it is for its audience alone');
    const plain = tokensOf(await login(server, await makeUser(server.db), client));
    t.is(typeOf(plain.access_token), 'at+jwt', 'other resource servers keep the type of RFC 9068');
  },
);

interface Scene {
  deps: Deps;
  /** One for each entrance. */
  servers: TestServer[];
}

/** Our own API takes tokens of the type `JWT`. */
async function setUp(t: ExecutionContext, store: Store): Promise<Scene> {
  const { deps, fast, engine } = await openPair(t, store);
  await createResourceServer(store.db, { identifier: ownApi, access_token_typ: 'JWT' });
  const stop = async () => {};
  const byDirect = await registerGateway(store, { url: fast.url, issuer, stop });
  return { deps, servers: [byDirect, await registerGateway(store, { url: engine.url, issuer, stop })] };
}

/** Signs claims as this server would, with the current key. */
async function signAs({ keys }: Deps, claims: Json, typ?: string): Promise<string> {
  const { kid, alg, private_jwk } = keys.ofAccessTokens();
  const header = { alg, kid, ...(typ === undefined ? {} : { typ }) };
  return await new SignJWT(claims).setProtectedHeader(header).sign(await importJWK(private_jwk, alg));
}

async function assertNoAccessToken(t: ExecutionContext, server: TestServer, jwt: string, what: string) {
  t.deepEqual(await introspect(server, jwt), { active: false }, `${what} at /introspect`);
  t.is((await api(server, 'GET /me', jwt)).status, 401, `${what} at /api`);
  const DPoP = await proofFor(await makeKey(), 'GET', `${issuer}/api/me`, { accessToken: jwt });
  const headers = { Authorization: `DPoP ${jwt}`, DPoP };
  t.is((await api(server, 'GET /me', undefined, { headers })).status, 401, `${what} with a proof`);
  t.is((await send(`${server.url}/userinfo`, { token: jwt })).status, 401, `${what} at /userinfo`);
}

testOnStores(
  'where access tokens are of the type JWT, no other JWT of this server is one',
  async (t, store) => {
    const { deps, servers } = await setUp(t, store);
    // The worst case: a client with the name of our own API, so that its ID tokens have the audience of access tokens.
    const client = await makeClient(store.db, { client_id: ownApi });
    const user = await makeUser(store.db);
    for (const server of servers) {
      const tokens = tokensOf(await login(server, user, client, { scope: 'openid account' }));
      t.is(typeOf(tokens.access_token), 'JWT');
      t.like(await introspect(server, tokens.access_token), { active: true, sub: user.id });
      t.is((await api(server, 'GET /me', tokens.access_token)).status, 200);
      t.is((await send(`${server.url}/userinfo`, { token: tokens.access_token })).status, 200);
      const access = readJwt(tokens.access_token).claims;
      const id = readJwt(String(tokens.id_token)).claims;
      t.deepEqual(
        [id.aud, id.client_id, id.jti, id.client_version],
        [ownApi, undefined, undefined, undefined],
      );
      await assertNoAccessToken(t, server, String(tokens.id_token), 'an ID token');
      const wrong: [string, Json, string?][] = [
        ['an ID token of this type', id, 'JWT'],
        ['an ID token of the other type', id, 'at+jwt'],
        ['a logout token', { ...access, events: {} }, 'JWT'],
        ['a logout token under its own type', { ...access, events: {} }, 'logout+jwt'],
        ['a signed introspection', { ...access, token_introspection: { active: true } }, 'JWT'],
        ['claims with a nonce', { ...access, nonce: 'x' }, 'JWT'],
        ['claims without the mark of access tokens', { ...access, client_version: undefined }, 'JWT'],
        ['claims with a mark of another kind', { ...access, client_version: '0' }, 'JWT'],
        ['claims without a client', { ...access, client_id: undefined }, 'JWT'],
        ['claims without jti', { ...access, jti: undefined }, 'JWT'],
        ['the claims of an access token without a type', access],
        ['the claims of an access token under another type', access, 'id+jwt'],
      ];
      for (const [what, claims, typ] of wrong)
        await assertNoAccessToken(t, server, await signAs(deps, claims, typ), what);
      t.like(
        await introspect(server, await signAs(deps, access, 'JWT')),
        { active: true },
        'the same, unchanged',
      );
    }
  },
);
