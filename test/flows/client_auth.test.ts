// Client authentication by secret and assertion, including replayed assertions and forged Host headers.
import { exportJWK, SignJWT } from 'jose';
import { assertionOf, assertWith, type KeyClient, makeKeyClient } from '../helpers/assertions.ts';
import { makeClient, makeUser, password } from '../helpers/builders.ts';
import { assertRefused, type Form, granted, send } from '../helpers/client.ts';
import { makeKey, proofFor } from '../helpers/dpop.ts';
import { introspect, login, refresh, signIn, token, tokensOf } from '../helpers/oauth.ts';
import { makeConfidentialClient, makeResourceServer } from '../helpers/resources.ts';
import { type TestServer, testOnServers } from '../helpers/server.ts';

const unauthorized = { status: 401, error: 'invalid_client' };
const invalid = { status: 400, error: 'invalid_request' };
/** A client with a key, and its request for a token. */
async function makeMachine(server: TestServer): Promise<KeyClient & { form: Form }> {
  const client = await makeKeyClient(server, { grant_types: ['client_credentials'], scope: 'orders:read' });
  const { form } = await makeResourceServer(server);
  return { ...client, form: { grant_type: 'client_credentials', ...form } };
}

testOnServers('an assertion sent ten times at the same time succeeds once', async (t, server) => {
  const client = await makeMachine(server);
  for (const path of ['/token', '/introspect', '/revoke']) {
    const form = { ...client.form, token: 'x', ...assertWith(await assertionOf(client, server.issuer)) };
    const answers = await Promise.all(Array.from({ length: 10 }, () => send(server.url + path, { form })));
    t.is(answers.filter((answer) => answer.status === 200).length, 1, path);
    for (const answer of answers.filter((one) => one.status !== 200)) assertRefused(t, answer, unauthorized);
  }
});

testOnServers(
  'an assertion must have our audience, be in time, and be issued by the client',
  async (t, server) => {
    const client = await makeMachine(server);
    const ask = async (given: Record<string, unknown>, header?: object, aud: unknown = server.issuer) =>
      await token(server, { ...client.form, ...assertWith(await assertionOf(client, aud, given, header)) });
    const now = Math.floor(Date.now() / 1000);
    const bad = {
      expired: { exp: now - 1 },
      'without end': { exp: undefined },
      'without id': { jti: undefined },
      'not yet valid': { nbf: now + 60 },
      'by another issuer': { iss: 'somebody' },
      'without a subject': { sub: undefined },
    };
    for (const [title, given] of Object.entries(bad)) assertRefused(t, await ask(given), unauthorized, title);
    for (const aud of [
      'https://elsewhere.test',
      `${server.issuer}/`,
      '',
      [],
      [`${server.issuer}.evil.test`],
      ['https://elsewhere.test', server.issuer],
      [server.issuer, `${server.issuer}/token`],
    ]) {
      assertRefused(t, await ask({}, {}, aud), unauthorized, JSON.stringify(aud));
    }
    for (const aud of [
      server.issuer,
      [server.issuer],
      `${server.issuer}/token`,
      [`${server.issuer}/token`],
    ]) {
      tokensOf(await ask({}, {}, aud));
    }
    const own = await assertionOf(client, server.issuer);
    const wrongType = await token(server, {
      ...client.form,
      client_assertion: own,
      client_assertion_type: 'x',
    });
    assertRefused(t, wrongType, invalid);
    assertRefused(
      t,
      await token(server, { ...client.form, client_id: 'other', ...assertWith(own) }),
      invalid,
    );
    assertRefused(t, await token(server, { ...client.form, ...assertWith('a.b.c') }), invalid);
    assertRefused(t, await token(server, { ...client.form, client_id: client.client_id }), unauthorized);
  },
);

testOnServers('an assertion that is not signed with the client’s key is refused', async (t, server) => {
  const client = await makeMachine(server);
  const good = await assertionOf(client, server.issuer);
  const [, claims] = good.split('.');
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const stranger = await makeKey();
  const jwk = await exportJWK(client.key.publicKey);
  const hs = await new SignJWT(JSON.parse(Buffer.from(claims ?? '', 'base64url').toString()))
    .setProtectedHeader({ alg: 'HS256', kid: 'mine' })
    .sign(Buffer.from(JSON.stringify(jwk)));
  const forged = [
    `${encode({ alg: 'none' })}.${claims}.`,
    hs,
    await assertionOf({ ...client, key: stranger }, server.issuer),
    await assertionOf(
      { ...client, key: stranger },
      server.issuer,
      {},
      { jwk: await exportJWK(stranger.publicKey) },
    ),
  ];
  for (const value of forged) {
    assertRefused(t, await token(server, { ...client.form, ...assertWith(value) }), unauthorized);
  }
  tokensOf(await token(server, { ...client.form, ...assertWith(good) }));
});

testOnServers('a secret is sent in the header or the body, and never in both', async (t, server) => {
  const user = await makeUser(server.db);
  for (const token_endpoint_auth_method of ['client_secret_basic', 'client_secret_post'] as const) {
    const { client_id, client_secret } = await makeConfidentialClient(server, { token_endpoint_auth_method });
    const basic = (name: string, secret: string) => ({
      headers: { Authorization: `Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}` },
    });
    const form = { grant_type: 'password', username: user.username, password };
    tokensOf(await token(server, form, basic(client_id, client_secret)));
    tokensOf(await token(server, { ...form, client_id, client_secret }));

    const wrong = await token(server, form, basic(client_id, 'wrong'));
    assertRefused(t, wrong, unauthorized);
    t.regex(String(wrong.headers['www-authenticate']), /^Basic realm="/);
    assertRefused(t, await token(server, form, basic('nobody', client_secret)), unauthorized);
    const inBody = await token(server, { ...form, client_id, client_secret: 'wrong' });
    assertRefused(t, inBody, unauthorized);
    t.is(
      inBody.headers['www-authenticate'],
      undefined,
      'no challenge for a client that did not send the header',
    );
    assertRefused(t, await token(server, { ...form, client_id }), unauthorized, 'without a secret');
    const both = { ...form, client_id, client_secret };
    assertRefused(t, await token(server, both, basic(client_id, client_secret)), invalid);
    assertRefused(
      t,
      await token(server, { ...form, client_id: 'other' }, basic(client_id, client_secret)),
      invalid,
    );
    for (const Authorization of ['Basic', 'Basic !', 'Basic eA==', 'Basic Og==']) {
      assertRefused(t, await token(server, form, { headers: { Authorization } }), invalid, Authorization);
    }
    for (const Authorization of ['Digest x', 'Bearer eyJ', 'DPoP eyJ', 'x', 'Basic JTp4']) {
      const other = await token(server, form, { headers: { Authorization } });
      assertRefused(t, other, unauthorized, Authorization);
      t.regex(String(other.headers['www-authenticate']), /^Basic realm="/, Authorization);
    }
  }
});

testOnServers(
  'a client that authenticates in another way than it registered is refused',
  async (t, server) => {
    const keyed = await makeMachine(server);
    const secretive = await makeConfidentialClient(server, { grant_types: ['client_credentials'] });
    const open = await makeClient(server.db);
    const grant = { grant_type: 'client_credentials' };
    const { client_id } = secretive;
    const forged = assertWith(await assertionOf({ ...keyed, client_id }, server.issuer));
    assertRefused(t, await token(server, { ...grant, client_id, ...forged }), unauthorized);
    const given = { ...grant, client_id: keyed.client_id, client_secret: 'compared elsewhere' };
    assertRefused(t, await token(server, given), unauthorized);
    const named = { ...grant, client_id: open.client_id, client_secret: 'compared elsewhere' };
    assertRefused(t, await token(server, named), unauthorized);
    const placeholder = { ...grant, client_id, client_secret: 'compared elsewhere' };
    assertRefused(
      t,
      await token(server, placeholder),
      unauthorized,
      'the placeholder that the engine gets is not a secret',
    );
  },
);

testOnServers('a forged Host header changes nothing', async (t, server) => {
  const headers = { Host: 'evil.example', 'X-Forwarded-Host': 'evil.example', 'X-Forwarded-Proto': 'https' };
  const metadata = granted(await send(`${server.url}/.well-known/openid-configuration`, { headers }));
  t.is(metadata.token_endpoint, `${server.issuer}/token`);
  t.false(JSON.stringify(metadata).includes('evil'));

  const client = await makeMachine(server);
  const ask = async (aud: string) =>
    await token(server, { ...client.form, ...assertWith(await assertionOf(client, aud)) }, { headers });
  tokensOf(await ask(`${server.issuer}/token`));
  for (const aud of ['http://evil.example', 'http://evil.example/token', 'https://evil.example/token']) {
    assertRefused(t, await ask(aud), unauthorized, aud);
  }
  const { user, tokens, client: app } = await signIn(server, { extra: { headers } });
  const { iss, aud } = await introspect(server, tokens.access_token);
  t.deepEqual([iss, aud], [server.issuer, `${server.issuer}/api`]);
  const key = await makeKey();
  for (const [url, isOurs] of [
    ['http://evil.example/token', false],
    [`${server.issuer}/token`, true],
  ] as const) {
    const proof = { headers: { ...headers, DPoP: await proofFor(key, 'POST', url) } };
    const answer = await login(server, user, app, {}, proof);
    if (isOurs) t.is(tokensOf(answer).token_type, 'DPoP');
    else assertRefused(t, answer, { status: 400, error: 'invalid_dpop_proof' });
  }
  const { body } = await send(`${server.url}/api/openapi.json`, { headers });
  t.deepEqual(body.servers, [{ url: server.issuer }]);
  tokensOf(await refresh(server, app, tokens.refresh_token, {}, { headers }));
});
