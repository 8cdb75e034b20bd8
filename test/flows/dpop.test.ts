// DPoP (RFC 9449): every endpoint accepts a bound token with a fresh proof of its key, and with nothing else.
import { randomUUID } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK } from 'jose';
import { digest } from '../../src/lib/crypto.ts';
import { makeClient, makeUser } from '../helpers/builders.ts';
import { type Answer, assertRefused, send } from '../helpers/client.ts';
import { type Key, makeKey, proofFor } from '../helpers/dpop.ts';
import { introspect, login, readJwt, refresh, type Tokens, tokensOf } from '../helpers/oauth.ts';
import { makeConfidentialClient, makeResourceServer } from '../helpers/resources.ts';
import { rowOf } from '../helpers/rows.ts';
import { type TestServer, testOnServers } from '../helpers/server.ts';

const invalidGrant = { status: 400, error: 'invalid_grant' };
const invalidToken = { status: 401, error: 'invalid_token' };

/** A proof for one use of the token endpoint. */
async function prove(server: TestServer, key: Key, claims?: Record<string, unknown>) {
  return {
    headers: { DPoP: await proofFor(key, 'POST', `${server.issuer}/token`, claims ? { claims } : {}) },
  };
}

async function enter(server: TestServer, scope = 'openid account') {
  const key = await makeKey();
  const client = await makeClient(server.db);
  const user = await makeUser(server.db);
  const tokens = tokensOf(await login(server, user, client, { scope }, await prove(server, key)));
  return { key, client, user, tokens };
}

async function me(
  server: TestServer,
  { access_token }: Tokens,
  proof?: string,
  scheme = 'DPoP',
): Promise<Answer> {
  const headers = { Authorization: `${scheme} ${access_token}`, ...(proof ? { DPoP: proof } : {}) };
  return await send(`${server.url}/api/me`, { headers });
}

testOnServers('bound tokens stay bound after a refresh', async (t, server) => {
  const { key, client, tokens } = await enter(server);
  t.is(tokens.token_type, 'DPoP');
  const { cnf } = readJwt(tokens.access_token).claims;
  t.regex((cnf as { jkt: string }).jkt, /^[\w-]{43}$/);
  const said = await introspect(server, tokens.access_token);
  t.deepEqual([said.active, said.token_type, said.cnf], [true, 'DPoP', cnf]);

  assertRefused(t, await refresh(server, client, tokens.refresh_token), invalidGrant, 'without a proof');
  const thief = await prove(server, await makeKey());
  assertRefused(
    t,
    await refresh(server, client, tokens.refresh_token, {}, thief),
    invalidGrant,
    'another key',
  );
  const next = tokensOf(await refresh(server, client, tokens.refresh_token, {}, await prove(server, key)));
  t.deepEqual(readJwt(next.access_token).claims.cnf, cnf);
  t.is(next.token_type, 'DPoP');
});

testOnServers(
  'the jti of a proof from the future is remembered for as long as the proof is valid',
  async (t, server) => {
    const { key, tokens } = await enter(server);
    const iat = Math.floor(Date.now() / 1000) + 290;
    const jti = randomUUID();
    const rememberedUntil = async (by: string) => {
      const id = digest(JSON.stringify([by, jti]));
      const { expires_at } = await rowOf(
        server.db('oidc_models').where({ model: 'ReplayDetection', id }).first(),
      );
      return Number(expires_at) / 1000;
    };
    const client = await makeClient(server.db);
    const user = await makeUser(server.db);
    tokensOf(await login(server, user, client, {}, await prove(server, key, { iat, jti })));
    t.true((await rememberedUntil(client.client_id)) > iat + 300, '/token');
    const more = { claims: { iat, jti }, accessToken: tokens.access_token };
    const proof = await proofFor(key, 'GET', `${server.issuer}/api/me`, more);
    t.is((await me(server, tokens, proof)).status, 200);
    const jkt = await calculateJwkThumbprint(await exportJWK(key.publicKey));
    t.true((await rememberedUntil(jkt)) > iat + 300, '/api');
  },
);

testOnServers('a proof is valid once, for its own request, and for a short time', async (t, server) => {
  const { key, client, tokens } = await enter(server);
  const now = Math.floor(Date.now() / 1000);
  const used = await prove(server, key);
  const { refresh_token } = tokensOf(await refresh(server, client, tokens.refresh_token, {}, used));
  assertRefused(t, await refresh(server, client, refresh_token, {}, used), invalidGrant, 'a replay');
  const bad = {
    'another method': { htm: 'GET' },
    'another URL': { htu: `${server.issuer}/revoke` },
    'another host': { htu: 'https://evil.example/token' },
    old: { iat: now - 3_600 },
    'of the future': { iat: now + 3_600 },
    'without id': { jti: undefined },
    'without time': { iat: undefined },
  };
  for (const [title, claims] of Object.entries(bad)) {
    const answer = await refresh(server, client, refresh_token, {}, await prove(server, key, claims));
    assertRefused(t, answer, { status: 400, error: 'invalid_dpop_proof' }, title);
  }
  tokensOf(await refresh(server, client, refresh_token, {}, await prove(server, key)));
});

testOnServers('ten simultaneous uses of one proof succeed once', async (t, server) => {
  const { key, client, user } = await enter(server);
  const proof = await prove(server, key);
  const answers = await Promise.all(Array.from({ length: 10 }, () => login(server, user, client, {}, proof)));
  t.is(answers.filter((answer) => answer.status === 200).length, 1);
  for (const answer of answers.filter((one) => one.status !== 200)) assertRefused(t, answer, invalidGrant);
});

testOnServers('our own API accepts a bound token only with a proof', async (t, server) => {
  const { key, tokens } = await enter(server);
  const { access_token: accessToken } = tokens;
  const url = `${server.issuer}/api/me`;
  const proof = await proofFor(key, 'GET', url, { accessToken });
  t.is((await me(server, tokens, proof)).status, 200);
  assertRefused(t, await me(server, tokens, proof), invalidToken, 'a replay');

  const fresh = () => proofFor(key, 'GET', url, { accessToken });
  const unbound = await enter(server);
  const now = Math.floor(Date.now() / 1000);
  const badKey = { accessToken, header: { jwk: { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' } } };
  const bad: Record<string, Answer> = {
    'as a bearer token': await me(server, tokens, undefined, 'Bearer'),
    'as a bearer token with proof': await me(server, tokens, await fresh(), 'Bearer'),
    'without a proof': await me(server, tokens),
    'a proof that is none': await me(server, tokens, 'a.b.c'),
    'a key that is none': await me(server, tokens, await proofFor(key, 'GET', url, badKey)),
    'another key': await me(server, tokens, await proofFor(await makeKey(), 'GET', url, { accessToken })),
    'no ath': await me(server, tokens, await proofFor(key, 'GET', url)),
    'ath of another token': await me(
      server,
      tokens,
      await proofFor(key, 'GET', url, { accessToken: unbound.tokens.access_token }),
    ),
    'another method': await me(server, tokens, await proofFor(key, 'POST', url, { accessToken })),
    'another path': await me(
      server,
      tokens,
      await proofFor(key, 'GET', `${server.issuer}/api/sessions`, { accessToken }),
    ),
    'another host': await me(
      server,
      tokens,
      await proofFor(key, 'GET', 'https://evil.example/api/me', { accessToken }),
    ),
    old: await me(
      server,
      tokens,
      await proofFor(key, 'GET', url, { accessToken, claims: { iat: now - 3_600 } }),
    ),
    'another type': await me(
      server,
      tokens,
      await proofFor(key, 'GET', url, { accessToken, header: { typ: 'JWT' } }),
    ),
    'no id': await me(
      server,
      tokens,
      await proofFor(key, 'GET', url, { accessToken, claims: { jti: undefined } }),
    ),
    'no time': await me(
      server,
      tokens,
      await proofFor(key, 'GET', url, { accessToken, claims: { iat: 'now' } }),
    ),
  };
  for (const [title, answer] of Object.entries(bad)) assertRefused(t, answer, invalidToken, title);
  t.regex(String(bad['another key']?.headers['www-authenticate']), /^DPoP realm="/);
  const query = await proofFor(key, 'GET', `${url}?x=1#y`, { accessToken });
  t.is((await me(server, tokens, query)).status, 200, 'query and fragment do not count');
});

testOnServers('userinfo accepts a bound token only with a proof', async (t, server) => {
  const { key, user, tokens } = await enter(server);
  const { access_token: accessToken } = tokens;
  const url = `${server.issuer}/userinfo`;
  const ask = async (proof?: string, scheme = 'DPoP') =>
    await send(`${server.url}/userinfo`, {
      headers: { Authorization: `${scheme} ${accessToken}`, ...(proof ? { DPoP: proof } : {}) },
    });
  const good = await ask(await proofFor(key, 'GET', url, { accessToken }));
  t.deepEqual([good.status, good.body], [200, { sub: user.id }]);
  assertRefused(t, await ask(undefined, 'Bearer'), invalidToken);
  assertRefused(t, await ask(await proofFor(await makeKey(), 'GET', url, { accessToken })), invalidToken);
  t.is((await ask()).status, 400, 'the scheme DPoP without a proof');
});

testOnServers('a bearer token is not accepted with the DPoP scheme', async (t, server) => {
  const user = await makeUser(server.db);
  const client = await makeClient(server.db);
  const tokens = tokensOf(await login(server, user, client));
  t.is((await me(server, tokens, undefined, 'Bearer')).status, 200);
  const proof = await proofFor(await makeKey(), 'GET', `${server.issuer}/api/me`, {
    accessToken: tokens.access_token,
  });
  assertRefused(t, await me(server, tokens, proof), invalidToken);
});

testOnServers('a confidential client that used a proof must keep using one', async (t, server) => {
  const key = await makeKey();
  const client = await makeConfidentialClient(server);
  const user = await makeUser(server.db);
  const tokens = tokensOf(await login(server, user, client, {}, await prove(server, key)));
  assertRefused(t, await refresh(server, client, tokens.refresh_token), invalidGrant, 'not without a proof');
  const other = await makeKey();
  const next = tokensOf(await refresh(server, client, tokens.refresh_token, {}, await prove(server, other)));
  t.is(next.token_type, 'DPoP');
  t.notDeepEqual(
    readJwt(next.access_token).claims.cnf,
    readJwt(tokens.access_token).claims.cnf,
    'the client may choose another key',
  );
  assertRefused(t, await refresh(server, client, next.refresh_token), invalidGrant);
});

testOnServers(
  'a client registered with dpop_bound_access_tokens is refused without a proof',
  async (t, server) => {
    const user = await makeUser(server.db);
    const client = await makeClient(server.db, { dpop_bound_access_tokens: true });
    assertRefused(t, await login(server, user, client), invalidGrant);
    tokensOf(await login(server, user, client, {}, await prove(server, await makeKey())));
  },
);

testOnServers('an opaque token is bound like a JWT', async (t, server) => {
  const { form } = await makeResourceServer(server, 'opaque');
  const key = await makeKey();
  const user = await makeUser(server.db);
  const proof = await prove(server, key, { jti: randomUUID() });
  const tokens = tokensOf(await login(server, user, await makeClient(server.db), form, proof));
  const said = await introspect(server, tokens.access_token);
  t.is(said.token_type, 'DPoP');
  t.regex((said.cnf as { jkt: string }).jkt, /^[\w-]{43}$/);
});
