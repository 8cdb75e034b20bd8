import { generateKeyPair, importJWK, SignJWT } from 'jose';
import { createAccessTokenVerifier, isJwt } from '../../../src/core/access_tokens/access_tokens.ts';
import { revokeAccessToken } from '../../../src/core/access_tokens/revoked_tokens.ts';
import { changeUserStatus } from '../../../src/core/actions/user_status.ts';
import { findClient } from '../../../src/core/clients/clients.ts';
import { endSession } from '../../../src/core/sessions/end_sessions.ts';
import { newId } from '../../../src/lib/ids.ts';
import { makeClient, openTestSession, present } from '../../helpers/builders.ts';
import { loadKeys } from '../../helpers/keys.ts';
import { rotate } from '../../helpers/rotate.ts';
import { currentVersion } from '../../helpers/rows.ts';
import { type Store, testOnStores } from '../../helpers/stores.ts';

const issuer = 'https://id.example';
const now = () => Math.floor(Date.now() / 1000);

interface Claims {
  [name: string]: unknown;
  jti: string;
  exp: number;
}

/** A session, the claims of an access token for it, and functions that sign and verify such tokens. */
async function setUp({ db }: Store) {
  const keys = await loadKeys(db);
  const [key] = keys;
  if (!key) throw new Error('there is no key');
  const session = await openTestSession(db);
  const verifier = createAccessTokenVerifier(db, issuer, () => keys, Date.now);
  const client = await findClient(db, session.client_id);
  const claims: Claims = {
    iss: issuer,
    sub: session.user_id,
    aud: `${issuer}/api`,
    exp: now() + 900,
    iat: now(),
    jti: newId(),
    client_id: session.client_id,
    scope: 'openid',
    sid: session.id,
    token_version: 0,
    client_version: client?.token_version,
  };
  const sign = async (payload: Record<string, unknown>, header: Record<string, unknown> = {}) => {
    const protectedHeader = { alg: 'ES256', typ: 'at+jwt', kid: key.kid, ...header };
    return await new SignJWT(payload)
      .setProtectedHeader(protectedHeader)
      .sign(await importJWK(key.private_jwk, 'ES256'));
  };
  return { key, session, verifier, claims, sign };
}

/** A compact JWS of the given parts. */
function compact(header: object, payload: object, signature = ''): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part(header)}.${part(payload)}.${signature}`;
}

testOnStores('a valid token returns its claims', async (t, store) => {
  const { verifier, claims, sign } = await setUp(store);
  const token = await sign(claims);
  t.true(isJwt(token));
  t.deepEqual(await verifier.verify(token), claims as never);
  t.deepEqual(await verifier.read(token), claims as never);
  const bound = { ...claims, cnf: { jkt: 'thumb' }, roles: ['x'], permissions: [], tid: 't' };
  t.deepEqual(await verifier.verify(await sign(bound)), bound as never);
});

testOnStores('a token with a wrong claim or header is refused', async (t, store) => {
  const { verifier, claims, sign } = await setUp(store);
  const without = (name: string) =>
    Object.fromEntries(Object.entries(claims).filter(([other]) => other !== name));
  const wrong: Record<string, Record<string, unknown>> = {
    'expired this second': { ...claims, exp: now() },
    'long expired': { ...claims, exp: 1 },
    'with an expiry in words': { ...claims, exp: '2100-01-01' },
    'not good before tomorrow': { ...claims, nbf: now() + 86_400 },
    'of another issuer': { ...claims, iss: 'https://evil.example' },
    'of an issuer with a slash': { ...claims, iss: `${issuer}/` },
    'of a list of issuers': { ...claims, iss: [issuer] },
    'for a list of audiences': { ...claims, aud: [claims.aud] },
    'of a session that never was': { ...claims, sid: newId() },
    'of no UUID': { ...claims, sid: "' or '1'='1" },
    'of a session that is no text': { ...claims, sid: 7 },
    'of the session null': { ...claims, sid: null },
    'of a client that is no text': { ...claims, client_id: 7 },
    'of another client': { ...claims, client_id: 'another' },
    ...Object.fromEntries(
      ['iss', 'sub', 'aud', 'exp', 'jti', 'client_id'].map((name) => [`without ${name}`, without(name)]),
    ),
  };
  for (const [title, payload] of Object.entries(wrong))
    t.is(await verifier.verify(await sign(payload)), null, title);
  for (const typ of ['id+jwt', 'logout+jwt', 'dpop+jwt', '', undefined]) {
    t.is(await verifier.verify(await sign(claims, { typ })), null, `typ ${typ}`);
  }
  // Such a type says nothing, so the claims must.
  const untyped = without('client_version');
  for (const typ of ['JWT', 'jwt', 'application/JWT']) {
    t.is(await verifier.verify(await sign(untyped, { typ })), null, `typ ${typ}`);
    t.deepEqual(await verifier.verify(await sign(claims, { typ })), claims as never, `typ ${typ}`);
  }
});

testOnStores('a token that we did not sign is refused', async (t, store) => {
  const { verifier, claims, sign, key } = await setUp(store);
  const stranger = await generateKeyPair('ES256', { extractable: true });
  const theirs = (header: Record<string, unknown>) =>
    new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', ...header })
      .sign(stranger.privateKey);
  const hmac = (secret: string) =>
    new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid: key.kid })
      .sign(Buffer.from(secret.padEnd(32, ' ')));
  const { x = '', y = '' } = key.public_jwk;
  const header = { typ: 'at+jwt', kid: key.kid };
  const tokens: Record<string, string> = {
    'signed by another key under our kid': await theirs({ kid: key.kid }),
    'signed by an unknown key': await theirs({ kid: 'unknown' }),
    'signed by another key without kid': await theirs({}),
    'with its own key inside': await theirs({ jwk: key.public_jwk, kid: key.kid }),
    'HS256 under the public key as JSON': await hmac(JSON.stringify(key.public_jwk)),
    'HS256 under the public key as text': await hmac(x + y),
    'alg none': compact({ ...header, alg: 'none' }, claims),
    'alg None': compact({ ...header, alg: 'None' }, claims),
    'no alg': compact(header, claims),
    'an empty signature': compact({ ...header, alg: 'ES256' }, claims),
    'a signature of zeros': compact(
      { ...header, alg: 'ES256' },
      claims,
      Buffer.alloc(64).toString('base64url'),
    ),
    'ours, with other claims': (await sign({ ...claims, sub: newId() })).replace(
      /\.[^.]*$/,
      (await sign(claims)).replace(/.*\./, '.'),
    ),
    'with a critical extension': compact({ ...header, alg: 'ES256', crit: ['b64'], b64: false }, claims),
  };
  for (const [title, token] of Object.entries(tokens)) {
    t.is(await verifier.verify(token), null, title);
    t.is(await verifier.read(token), null, title);
  }
  for (const garbage of [
    '',
    '.',
    '..',
    '...',
    'a.b.c',
    'null',
    '{}',
    '\0',
    '\ud800',
    'e30.e30.e30',
    'x'.repeat(100_000),
  ]) {
    t.is(await verifier.verify(garbage), null, JSON.stringify(garbage).slice(0, 20));
  }
});

testOnStores('a token in which one bit differs is refused', async (t, store) => {
  const { verifier, claims, sign } = await setUp(store);
  const token = await sign(claims);
  const parts = token.split('.').map((part) => Buffer.from(part, 'base64url'));
  for (const [i, part] of parts.entries()) {
    for (let bit = i; bit < part.length * 8; bit += 3) {
      const changed = Buffer.from(part);
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      const forged = parts.map((other, j) => (i === j ? changed : other).toString('base64url')).join('.');
      if ((await verifier.read(forged)) !== null) t.fail(`part ${i}, bit ${bit}`);
    }
  }
  t.truthy(await verifier.read(token));
});

testOnStores('a revoked token is inactive, another one of the same session is not', async (t, store) => {
  const { verifier, claims, sign } = await setUp(store);
  const sister = { ...claims, jti: newId() };
  for (let i = 0; i < 3; i += 1) await revokeAccessToken(store.db, await currentVersion(store.db), claims);
  t.deepEqual(await store.db('revoked_tokens'), [
    { jti: claims.jti, expires_at: new Date(claims.exp * 1000) },
  ]);
  t.is(await verifier.verify(await sign(claims)), null);
  t.deepEqual(await verifier.verify(await sign(sister)), sister as never);
});

testOnStores('a token becomes inactive with its session, at the next check', async (t, store) => {
  const { verifier, claims, sign, session } = await setUp(store);
  const token = await sign(claims);
  t.truthy(await verifier.verify(token));
  await endSession(store.db, session.id, { reason: 'logout', actor: 'user' });
  t.is(await verifier.verify(token), null);
  t.truthy(await verifier.read(token), 'its claims can still be read, as a revocation needs');
});

testOnStores('a token becomes inactive when its session expires', async (t, store) => {
  const { verifier, claims, sign, session } = await setUp(store);
  const token = await sign(claims);
  const past = new Date(Date.now() - 1_000);
  for (const change of [
    { absolute_expires_at: past },
    { last_used_at: new Date(Date.now() - 604_800_000) },
  ]) {
    await store.db('sessions').where({ id: session.id }).update(change);
    t.is(await verifier.verify(token), null, Object.keys(change).join());
    const { absolute_expires_at, last_used_at } = session;
    await store.db('sessions').where({ id: session.id }).update({ absolute_expires_at, last_used_at });
    t.truthy(await verifier.verify(token));
  }
});

testOnStores('a token is active only while its user is', async (t, store) => {
  const { verifier, claims, sign, session } = await setUp(store);
  const token = await sign(claims);
  for (const status of ['banned', 'disabled', 'deleted'] as const) {
    // Without ending the sessions: the status alone must be enough.
    await store.db('users').where({ id: session.user_id }).update({ status });
    t.is(await verifier.verify(token), null, status);
  }
  const ban_expires_at = new Date(Date.now() - 1_000);
  await store.db('users').where({ id: session.user_id }).update({ status: 'banned', ban_expires_at });
  t.truthy(await verifier.verify(token), 'the ban has expired');
  await changeUserStatus(store.db, session.user_id, { status: 'banned', actor: 'admin' });
  await changeUserStatus(store.db, session.user_id, { status: 'active', actor: 'admin' });
  t.is(await verifier.verify(token), null, 'a ban ended the session, and lifting the ban did not restore it');
});

testOnStores('reuse on one device makes the tokens of the others inactive', async (t, store) => {
  const { verifier, claims, sign, session } = await setUp(store);
  const { id: sid } = await openTestSession(store.db, {
    user_id: session.user_id,
    client_id: session.client_id,
  });
  const other = { ...claims, sid, jti: newId() };
  t.truthy(await verifier.verify(await sign(other)));
  for (const generation of [0, 0]) await rotate(store.db, present(session, generation));
  t.is(await verifier.verify(await sign(other)), null);
  const fresh = { ...other, token_version: 1 };
  t.deepEqual(await verifier.verify(await sign(fresh)), fresh as never);
  t.is(await verifier.verify(await sign({ ...claims, token_version: 1 })), null, 'the stolen session');
});

testOnStores('a token of client_credentials becomes inactive with its client', async (t, store) => {
  const { verifier, claims, sign } = await setUp(store);
  const { client_id, token_version: client_version } = await makeClient(store.db, {
    token_endpoint_auth_method: 'client_secret_basic',
  });
  const { sid: _, token_version: __, ...rest } = claims;
  const own = { ...rest, sub: client_id, client_id, client_version };
  t.deepEqual(await verifier.verify(await sign(own)), own as never);
  const revoked = { ...own, jti: newId() };
  await revokeAccessToken(store.db, await currentVersion(store.db), revoked);
  t.is(await verifier.verify(await sign(revoked)), null);
  await store.db('clients').where({ client_id }).delete();
  t.is(await verifier.verify(await sign(own)), null);
});

testOnStores(
  'a token is active only for the version of its client that it was issued for',
  async (t, store) => {
    const { verifier, claims, sign, session } = await setUp(store);
    const { client_id } = session;
    const version = Number(claims.client_version);
    const { sid: _, token_version: __, ...rest } = claims;
    for (const one of [claims, { ...rest, sub: client_id }]) {
      for (const client_version of [0, version - 1, version + 1])
        t.is(await verifier.verify(await sign({ ...one, client_version })), null);
      t.truthy(await verifier.verify(await sign(one)));
    }
  },
);

testOnStores(
  'a token of an earlier version of the server is judged by the second in which it was issued',
  async (t, store) => {
    const { verifier, claims, sign, session } = await setUp(store);
    const { client_id } = session;
    const { client_version: _, ...old } = claims;
    const { sid: __, token_version: ___, ...rest } = old;
    const second = Math.floor(Date.now() / 1000);
    const set = (values: object) => store.db('clients').where({ client_id }).update(values);
    await set({ created_at: new Date((second - 1_000) * 1_000) });
    for (const one of [old, { ...rest, sub: client_id }]) {
      await set({ token_version: 0 });
      const token = await sign({ ...one, iat: second });
      t.truthy(await verifier.verify(token), 'its client has not changed');
      await set({ token_version: second * 1_000 + 999 });
      t.truthy(
        await verifier.verify(token),
        'its client lost a right before, or was created in the same second',
      );
      await set({ token_version: (second + 1) * 1_000 });
      t.is(await verifier.verify(token), null, 'its client lost a right since, or is a different one');
    }
  },
);
