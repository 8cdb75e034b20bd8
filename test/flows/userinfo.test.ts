// Which access tokens userinfo takes (OpenID Connect Core 1.0, 5.3): all of a session to which `openid` was granted, and no others.
import * as oidc from 'openid-client';
import { makeClient, makeUser, updatedAtOf } from '../helpers/builders.ts';
import { type Answer, assertRefused, send } from '../helpers/client.ts';
import { logIn, setUpScene } from '../helpers/code_flow.ts';
import { makeKey, proofFor } from '../helpers/dpop.ts';
import { introspect, login, readJwt, refresh, signIn, token, tokensOf } from '../helpers/oauth.ts';
import { makeConfidentialClient, makeResourceServer } from '../helpers/resources.ts';
import { type TestServer, testOnServers } from '../helpers/server.ts';

async function userinfo({ url }: TestServer, access_token: string): Promise<Answer> {
  return await send(`${url}/userinfo`, { token: access_token });
}

for (const format of ['jwt', 'opaque'] as const) {
  testOnServers(
    `userinfo takes a token for another API: ${format}, of the login and of a refresh`,
    async (t, server) => {
      const email = `${format}-${server.store}@userinfo.example`;
      const user = await makeUser(server.db, { email });
      const api = await makeResourceServer(server, format);
      const scene = await setUpScene(server, { user });
      const scope = 'openid profile email orders:read';
      const tokens = await logIn(scene, { scope, resource: api.identifier });
      const next = await oidc.refreshTokenGrant(scene.config, tokens.refresh_token ?? '');
      for (const { access_token, scope: answered } of [tokens, next]) {
        t.is(answered, scope, 'libraries refuse an answer with less than they asked for');
        t.like(await introspect(server, access_token), { aud: api.identifier, scope: 'orders:read' });
        t.deepEqual((await userinfo(server, access_token)).body, {
          ...{ sub: user.id, preferred_username: user.username, updated_at: updatedAtOf(user) },
          ...{ email, email_verified: false },
        });
      }
    },
  );

  testOnServers(`a token of a narrower refresh says no more at userinfo: ${format}`, async (t, server) => {
    const user = await makeUser(server.db, { email: `${format}-${server.store}@narrow.example` });
    const api = await makeResourceServer(server, format);
    const { client, tokens } = await signIn(server, {
      user,
      form: { scope: 'openid profile email orders:read', resource: api.identifier },
    });
    const narrow = async (scope: string) =>
      tokensOf(await refresh(server, client, tokens.refresh_token, { scope }));
    const named = await narrow('openid email orders:read');
    t.is(named.scope, 'openid email orders:read');
    t.deepEqual(Object.keys((await userinfo(server, named.access_token)).body).sort(), [
      ...['email', 'email_verified', 'sub'],
    ]);
    t.is(readJwt(named.id_token ?? '').claims.preferred_username, undefined);
    const { userinfo_scope: hidden, ...said } = await introspect(server, named.access_token);
    t.is(hidden, undefined);
    t.is(said.scope, 'orders:read');
  });
}

testOnServers('a token that was made for an API alone is no good at userinfo', async (t, server) => {
  const api = await makeResourceServer(server);
  const { client, tokens } = await signIn(server, {
    form: { scope: 'openid email orders:read', resource: api.identifier },
  });
  const narrow = await refresh(server, client, tokens.refresh_token, { scope: 'orders:read' });
  const { access_token, id_token, scope } = tokensOf(narrow);
  t.deepEqual([scope, id_token], ['orders:read', undefined]);
  assertRefused(t, await userinfo(server, access_token), { status: 403, error: 'insufficient_scope' });
});

testOnServers('userinfo refuses a token without a user who allowed openid', async (t, server) => {
  const api = await makeResourceServer(server);
  const form = { resource: api.identifier, scope: 'orders:read' };
  const { tokens } = await signIn(server, { form });
  const without = { status: 403, error: 'insufficient_scope' };
  assertRefused(t, await userinfo(server, tokens.access_token), without, 'a session without openid');
  for (const resource of [api.identifier, (await makeResourceServer(server, 'opaque')).identifier]) {
    const machine = await makeConfidentialClient(server, {
      ...{ first_party: false, grant_types: ['client_credentials'], scope: 'orders:read' },
    });
    const own = tokensOf(await token(server, { grant_type: 'client_credentials', ...machine, resource }));
    const unknown = { status: 401, error: 'invalid_token' };
    assertRefused(t, await userinfo(server, own.access_token), unknown, 'a token of a client');
  }
});

testOnServers('userinfo refuses a token whose session or user is over', async (t, server) => {
  const api = await makeResourceServer(server);
  const form = { scope: 'openid orders:read', resource: api.identifier };
  const gone = { status: 401, error: 'invalid_token' };
  const endings = {
    ended: async (sid: string) =>
      await server.db('sessions').where({ id: sid }).update({ ended_at: new Date(), ended_reason: 'logout' }),
    banned: async (_sid: string, id: string) =>
      await server.db('users').where({ id }).update({ status: 'banned' }),
  };
  for (const [title, end] of Object.entries(endings)) {
    const { user, tokens } = await signIn(server, { form });
    t.is((await userinfo(server, tokens.access_token)).status, 200, title);
    await end(tokens.session_id, user.id);
    assertRefused(t, await userinfo(server, tokens.access_token), gone, title);
  }
});

testOnServers('a bound token for another API needs its proof at userinfo', async (t, server) => {
  const api = await makeResourceServer(server);
  const [key, other] = [await makeKey(), await makeKey()];
  const client = await makeClient(server.db, { dpop_bound_access_tokens: true });
  const user = await makeUser(server.db);
  const form = { scope: 'openid orders:read', resource: api.identifier };
  const DPoP = await proofFor(key, 'POST', `${server.issuer}/token`);
  const { access_token } = tokensOf(await login(server, user, client, form, { headers: { DPoP } }));
  const url = `${server.issuer}/userinfo`;
  const ask = async (proof: string | null) =>
    await send(`${server.url}/userinfo`, {
      headers: { authorization: `DPoP ${access_token}`, ...(proof ? { DPoP: proof } : {}) },
    });
  t.like((await ask(await proofFor(key, 'GET', url, { accessToken: access_token }))).body, { sub: user.id });
  const wrong = await ask(await proofFor(other, 'GET', url, { accessToken: access_token }));
  t.is(wrong.status, 401);
  t.is((await ask(null)).status, 400);
  t.is((await userinfo(server, access_token)).status, 401, 'as a bearer token');
});

testOnServers(
  'a client that may no longer have a scope does not read its claims any more',
  async (t, server) => {
    const user = await makeUser(server.db, { email: `${server.store}@less.example` });
    const client = await makeClient(server.db, { scope: 'openid email account' });
    const { tokens } = await signIn(server, { user, client, form: { scope: 'openid email account' } });
    await server.db('clients').where({ client_id: client.client_id }).update({ scope: 'openid account' });
    const next = tokensOf(await refresh(server, client, tokens.refresh_token));
    t.is(next.scope, 'openid account');
    t.is(readJwt(next.id_token ?? '').claims.email, undefined);
    t.deepEqual((await userinfo(server, next.access_token)).body, { sub: user.id });
  },
);
