// Invalid tokens: one bit changed, unsigned, signed by another server, expired, of the wrong kind.
import { createPublicKey } from 'node:crypto';
import type { ExecutionContext } from 'ava';
import { exportJWK, importJWK, type JWK, SignJWT } from 'jose';
import { findSession } from '../../../src/core/sessions/find_session.ts';
import { mintRefreshToken } from '../../../src/core/sessions/refresh_token.ts';
import { createKeyring } from '../../../src/lib/crypto.ts';
import { newId } from '../../../src/lib/ids.ts';
import { attack } from '../../helpers/attack.ts';
import { makeClient, otherSecret, secret } from '../../helpers/builders.ts';
import { assertRefused, type Json, send } from '../../helpers/client.ts';
import { type Key, makeKey } from '../../helpers/dpop.ts';
import { removeKeys } from '../../helpers/keys.ts';
import { api, introspect, readJwt, refresh, revoke, signIn, tokensOf } from '../../helpers/oauth.ts';
import { makeResourceServer } from '../../helpers/resources.ts';
import { startTestServer, type TestServer, testOnServers } from '../../helpers/server.ts';
import { makeStore, type StoreName } from '../../helpers/stores.ts';
import { untilTime } from '../../helpers/until.ts';

const invalidToken = { status: 401, error: 'invalid_token' };
const invalidGrant = { status: 400, error: 'invalid_grant' };

/** Asserts that no endpoint accepts an access token. */
async function assertWorthless(t: ExecutionContext, server: TestServer, value: string, message: string) {
  assertRefused(t, await api(server, 'GET /me', value), invalidToken, message);
  assertRefused(t, await send(`${server.url}/userinfo`, { token: value }), invalidToken, message);
  t.deepEqual(await introspect(server, value), { active: false }, message);
}

/** The value with one bit of its bytes changed, once for each byte. */
function withBitsFlipped(base64url: string): string[] {
  const bytes = Buffer.from(base64url, 'base64url');
  return Array.from(bytes, (byte, i) => {
    const copy = Buffer.from(bytes);
    copy[i] = byte ^ (1 << (i % 8));
    return copy.toString('base64url');
  });
}

testOnServers(
  'a refresh token with one bit changed belongs to no session and ends none',
  async (t, server) => {
    await attack(t, server, async ({ client, tokens }) => {
      const [prefix, body = ''] = tokens.refresh_token.split('_', 1).concat(tokens.refresh_token.slice(4));
      const flipped = withBitsFlipped(body).map((one) => `${prefix}_${one}`);
      t.is(flipped.length, 69);
      const spelled = [`${tokens.refresh_token}=`, tokens.refresh_token.toUpperCase()];
      for (const value of [...flipped, ...spelled, body, `KRT_${body}`]) {
        assertRefused(t, await refresh(server, client, value), invalidGrant, value);
        t.deepEqual((await revoke(server, value, client)).body, {});
      }
    });
  },
);

testOnServers('an old generation with a wrong tag is not treated as reuse', async (t, server) => {
  await attack(t, server, async ({ client, tokens }) => {
    const session = await findSession(server.db, tokens.session_id);
    if (!session) throw new Error('there is no session');
    const old = tokens.refresh_token;
    tokens.refresh_token = tokensOf(await refresh(server, client, old)).refresh_token;
    const forged = [
      mintRefreshToken(createKeyring([otherSecret]), session, 0),
      mintRefreshToken(createKeyring([secret]), { ...session, salt: Buffer.alloc(16) }, 0),
      mintRefreshToken(createKeyring([secret]), { ...session, id: newId() }, 0),
      `${old.slice(0, -4)}AAAA`,
    ];
    for (const value of forged) {
      assertRefused(t, await refresh(server, client, value), invalidGrant, value);
    }
  });
});

testOnServers('an access token with one bit changed is invalid', async (t, server) => {
  await attack(t, server, async ({ tokens }) => {
    const parts = tokens.access_token.split('.');
    for (const [place, part] of parts.entries()) {
      for (const flipped of withBitsFlipped(part).filter((_, i) => i % 7 === 0)) {
        await assertWorthless(t, server, parts.with(place, flipped).join('.'), `part ${place}: ${flipped}`);
      }
    }
  });
});

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

async function currentKey(server: TestServer, kid: unknown): Promise<JWK> {
  const { body } = await send(`${server.url}/jwks`);
  const key = (body.keys as JWK[]).find((one) => one.kid === kid);
  if (!key) throw new Error('the key of a token is not published');
  return key;
}

testOnServers('a JWT that this server has not signed is invalid, whatever its claims', async (t, server) => {
  await attack(t, server, async ({ tokens }) => {
    const { header, claims } = readJwt(tokens.access_token);
    const jwk = await currentKey(server, header.kid);
    const stranger = await makeKey();
    const sign = (given: Json, key: Key['privateKey'] | Uint8Array = stranger.privateKey) =>
      new SignJWT(claims).setProtectedHeader({ ...header, ...given } as { alg: string }).sign(key);
    const spki = createPublicKey({ key: jwk as never, format: 'jwk' });
    const pem = spki.export({ type: 'spki', format: 'pem' });
    const secrets = {
      pem: Buffer.from(pem),
      json: Buffer.from(JSON.stringify(jwk)),
      x: Buffer.from(jwk.x ?? '', 'base64url'),
    };
    const forged: Record<string, string> = {
      'alg none': `${encode({ ...header, alg: 'none' })}.${encode(claims)}.`,
      'alg None': `${encode({ ...header, alg: 'None' })}.${encode(claims)}.`,
      'alg none with our signature': `${encode({ ...header, alg: 'none' })}.${encode(claims)}.${tokens.access_token.split('.')[2]}`,
      'no signature': `${tokens.access_token.split('.').slice(0, 2).join('.')}.`,
      'another key under our kid': await sign({}),
      'another key under its own kid': await sign({ kid: 'mine' }),
      'another key without kid': await sign({ kid: undefined }),
      'a key that it brings along': await sign({ kid: undefined, jwk: await exportJWK(stranger.publicKey) }),
      'a key that it points to': await sign({ kid: undefined, jku: 'https://evil.example/jwks' }),
    };
    for (const [name, bytes] of Object.entries(secrets)) {
      forged[`HS256 with our public key as ${name}`] = await sign({ alg: 'HS256' }, bytes);
    }
    for (const [name, value] of Object.entries(forged)) await assertWorthless(t, server, value, name);
    t.true((await importJWK(jwk, 'ES256')) instanceof CryptoKey, 'the key was the real one');
  });
});

testOnServers('an expired access token is invalid', async (t, server) => {
  const client = await makeClient(server.db, { access_token_ttl: 1 });
  const { tokens } = await signIn(server, { client, form: { scope: 'openid account' } });
  await untilTime(Number(readJwt(tokens.access_token).claims.exp) * 1000 + 1_100);
  await assertWorthless(t, server, tokens.access_token, 'expired');
  tokensOf(await refresh(server, client, tokens.refresh_token));
});

testOnServers('a token of one kind is invalid in the place of another kind', async (t, server) => {
  const { form } = await makeResourceServer(server, 'opaque');
  const opaque = await signIn(server, { form });
  const { client, tokens } = await signIn(server, { form: { scope: 'openid account' } });
  const { access_token, refresh_token, id_token = '' } = tokens;
  for (const value of [access_token, id_token, opaque.tokens.access_token]) {
    assertRefused(t, await refresh(server, client, value), invalidGrant);
  }
  for (const value of [refresh_token, id_token, tokens.session_id]) {
    await assertWorthless(t, server, value, value);
  }
  assertRefused(
    t,
    await api(server, 'GET /me', opaque.tokens.access_token),
    invalidToken,
    'another audience',
  );
  tokensOf(await refresh(server, client, refresh_token));
});

async function startStranger(t: ExecutionContext, name: StoreName, settings: Record<string, string>) {
  const store = await makeStore(name);
  t.teardown(store.drop);
  await removeKeys(store.db);
  return await startTestServer(t, store, { ...settings, SIGNING_ALG: 'ES256' });
}

testOnServers('tokens of another deployment are invalid here', async (t, server) => {
  await attack(t, server, async ({ client, tokens }) => {
    for (const KINDRED_SECRET of [secret, otherSecret]) {
      const stranger = await startStranger(t, server.store, { KINDRED_SECRET, ISSUER: server.issuer });
      const same = await makeClient(stranger.db, { client_id: client.client_id });
      const theirs = await signIn(stranger, { client: same, form: { scope: 'openid account' } });
      await assertWorthless(t, server, theirs.tokens.access_token, 'their token here');
      assertRefused(t, await refresh(server, client, theirs.tokens.refresh_token), invalidGrant);
      await assertWorthless(t, stranger, tokens.access_token, 'our token there');
      assertRefused(t, await refresh(stranger, client, tokens.refresh_token), invalidGrant);
    }
  });
});

testOnServers(
  'a request without a bearer token is refused before anything else is validated',
  async (t, server) => {
    await attack(t, server, async ({ tokens }) => {
      const { access_token } = tokens;
      const headers = [
        '',
        'Bearer',
        'Bearer ',
        `Basic ${access_token}`,
        access_token,
        `Bearer ${access_token} x`,
        'DPoP x',
      ];
      for (const Authorization of headers) {
        const bad = { body: '{', headers: { Authorization, 'Content-Type': 'application/json' } };
        assertRefused(t, await api(server, 'PATCH /me', undefined, bad), invalidToken, Authorization);
      }
      for (const query of [`?access_token=${access_token}`, '?limit=x']) {
        assertRefused(t, await api(server, `GET /sessions${query}`), invalidToken, query);
      }
      const form = await api(server, 'POST /logout', undefined, { form: { access_token } });
      assertRefused(t, form, invalidToken);
      t.is(
        form.headers['www-authenticate'],
        `Bearer realm="${server.issuer}", resource_metadata="${server.issuer}/.well-known/oauth-protected-resource/api"`,
        'no error code without a token',
      );
    });
  },
);
