// The whole header and all claims of an access token (RFC 9068), and opaque tokens where a resource server asks for them.

import { jwtVerify } from 'jose';
import { json } from '../../../src/core/store/columns.ts';
import { makeClient, makeUser } from '../../helpers/builders.ts';
import { assertRefused, send } from '../../helpers/client.ts';
import { removeKeys } from '../../helpers/keys.ts';
import {
  introspect,
  keySetOf,
  login,
  readJwt,
  refresh,
  signIn,
  token,
  tokensOf,
} from '../../helpers/oauth.ts';
import { makeConfidentialClient, makeResourceServer } from '../../helpers/resources.ts';
import { startTestServer, testOnServers } from '../../helpers/server.ts';
import { testOnStores } from '../../helpers/stores.ts';

const person = { roles: ['customer', 'editor'], permissions: ['orders:read'], tenant_id: 'acme' };

testOnServers('a JWT has exactly the header and the claims of the contract', async (t, server) => {
  const user = await makeUser(server.db, person);
  const { client, tokens } = await signIn(server, { user, form: { scope: 'account' } });
  const keys = keySetOf(server);
  const before = Date.now() / 1000;
  for (const { access_token } of [tokens, tokensOf(await refresh(server, client, tokens.refresh_token))]) {
    const { payload, protectedHeader } = await jwtVerify(access_token, keys, { typ: 'at+jwt' });
    const { kid, ...header } = protectedHeader;
    t.deepEqual(header, { alg: 'ES256', typ: 'at+jwt' });
    t.regex(String(kid), /^[0-9a-f-]{36}$/);
    const { iat = 0, exp, jti, auth_time, client_version, ...claims } = payload;
    t.is(typeof client_version, 'number');
    t.deepEqual(claims, {
      iss: server.issuer,
      sub: user.id,
      aud: `${server.issuer}/api`,
      client_id: client.client_id,
      scope: 'account',
      sid: tokens.session_id,
      roles: person.roles,
      permissions: person.permissions,
      tid: 'acme',
      token_version: 0,
    });
    t.is(exp, iat + 900);
    t.true(Math.abs(iat - before) < 600 && iat >= Number(auth_time) && before - Number(auth_time) < 600);
    t.regex(String(jti), /^[\w-]{20,}$/);
  }
});

testOnServers('the token of a user without a tenant has no tid', async (t, server) => {
  const { tokens } = await signIn(server);
  const { claims } = readJwt(tokens.access_token);
  t.deepEqual(
    [claims.roles, claims.permissions, 'tid' in claims, claims.scope],
    [[], [], false, 'account'],
    'a login without scope gets the default scope',
  );
});

testOnServers(
  'a refresh issues tokens with the current roles and token_version of the user',
  async (t, server) => {
    const { client, user, tokens } = await signIn(server);
    await server
      .db('users')
      .where({ id: user.id })
      .update({ roles: json(['editor']), token_version: 3 });
    const { access_token } = tokensOf(await refresh(server, client, tokens.refresh_token));
    const { roles, token_version } = readJwt(access_token).claims;
    t.deepEqual({ roles, token_version }, { roles: ['editor'], token_version: 3 });
  },
);

testOnServers(
  'a token for a resource server has its format, its audience and only its scopes',
  async (t, server) => {
    const opaque = await makeResourceServer(server, 'opaque');
    const jwt = await makeResourceServer(server, 'jwt');
    const both = { resource: [opaque.identifier, jwt.identifier], scope: 'openid orders:read' };
    const { client, tokens } = await signIn(server, { form: both });
    t.regex(tokens.access_token, /^[\w-]{20,}$/);
    t.is((await introspect(server, tokens.access_token)).aud, opaque.identifier);
    const form = { resource: jwt.identifier };
    const other = tokensOf(await refresh(server, client, tokens.refresh_token, form));
    const { aud, scope } = readJwt(other.access_token).claims;
    t.deepEqual({ aud, scope }, { aud: jwt.identifier, scope: 'orders:read' });
  },
);

testOnServers(
  'client_credentials issues a token of the client, without a session or a refresh token',
  async (t, server) => {
    const { identifier, form } = await makeResourceServer(server);
    const client = await makeConfidentialClient(server, {
      first_party: false,
      grant_types: ['client_credentials'],
      scope: 'orders:read',
    });
    const ask = (given: object) => token(server, { grant_type: 'client_credentials', ...client, ...given });
    const { access_token, ...rest } = tokensOf(await ask(form));
    t.deepEqual(rest as object, { token_type: 'Bearer', expires_in: 900, scope: 'orders:read' });
    const { iat, exp, jti, client_version, ...claims } = readJwt(access_token).claims;
    t.is(typeof client_version, 'number');
    t.deepEqual(claims, {
      iss: server.issuer,
      sub: client.client_id,
      aud: identifier,
      client_id: client.client_id,
      scope: 'orders:read',
    });
    const mine = await send(`${server.url}/api/me`, { token: access_token });
    assertRefused(
      t,
      mine,
      { status: 401, error: 'invalid_token' },
      'the token belongs to no user of our own API',
    );
    for (const scope of ['account', 'admin', 'openid', 'all:things']) {
      assertRefused(t, await ask({ ...form, scope }), { status: 400, error: 'invalid_scope' }, scope);
    }
    const nowhere = await ask({ resource: 'https://nobody.test/' });
    assertRefused(t, nowhere, { status: 400, error: 'invalid_target' });
    const person = await makeClient(server.db);
    const refused = await token(server, { grant_type: 'client_credentials', client_id: person.client_id });
    assertRefused(t, refused, { status: 400, error: 'unauthorized_client' });
  },
);

for (const alg of ['EdDSA', 'RS256', 'PS256']) {
  testOnStores(`tokens are signed with ${alg} when SIGNING_ALG names it`, async (t, store) => {
    await removeKeys(store.db);
    const server = await startTestServer(t, store, { SIGNING_ALG: alg });
    const form = { scope: 'openid account' };
    const user = await makeUser(server.db);
    const { access_token, id_token = '' } = tokensOf(
      await login(server, user, await makeClient(server.db), form),
    );
    const keys = keySetOf(server);
    t.is((await jwtVerify(access_token, keys)).protectedHeader.alg, alg);
    t.is((await jwtVerify(id_token, keys)).protectedHeader.alg, alg);
    t.is((await introspect(server, access_token)).active, true);
  });
}

testOnServers('the published keys have no private parts', async (t, server) => {
  const { body } = await send(`${server.url}/jwks`);
  const members = {
    EC: ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'],
    RSA: ['alg', 'e', 'kid', 'kty', 'n', 'use'],
  };
  for (const key of body.keys as { kty: 'EC' | 'RSA' }[])
    t.deepEqual(Object.keys(key).sort(), members[key.kty]);
});
