// ID tokens at the token endpoint: the key that signs, and the claims.
import { decodeProtectedHeader, exportJWK, generateKeyPair, importJWK, type JWK, jwtVerify } from 'jose';
import type { SigningAlg, SigningKey } from '../../src/core/keys/signing_keys.ts';
import { issueIdToken } from '../../src/token/id_token.ts';
import { makeClient, makeUser, openTestSession } from '../helpers/builders.ts';
import { testOnStores } from '../helpers/stores.ts';
import { issuer, openPair, ownApi } from '../helpers/twins.ts';

async function makeKey(alg: SigningAlg, status: SigningKey['status']): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const [private_jwk, public_jwk] = [await exportJWK(privateKey), await exportJWK(publicKey)];
  return { kid: `${status} ${alg}`, alg, status, private_jwk, public_jwk };
}

testOnStores('an ID token is signed by the algorithm that its client has registered', async (t, store) => {
  const { deps } = await openPair(t, store);
  const [ours, other] = [await makeKey('ES256', 'current'), await makeKey('RS256', 'current')];
  const keys = {
    ...deps.keys,
    algs: () => ({ offered: ['ES256', 'RS256'] as const, signable: ['ES256', 'RS256'] as const }),
    current: (alg: SigningAlg) => (alg === 'RS256' ? other : ours),
  };
  const expected = { ES256: ours, RS256: other, EdDSA: ours, none: ours };
  for (const [alg, key] of Object.entries(expected)) {
    const named = alg === 'none' ? {} : { id_token_signed_response_alg: alg as SigningAlg };
    const client = await makeClient(deps.db, { ...named, client_id: `by-${alg}` });
    const user = await makeUser(deps.db, { email: `${alg}@example.test` });
    const session = await openTestSession(deps.db, {
      user,
      client,
      grant_payload: { openid: { scope: 'openid email profile', claims: ['preferred_username'] } },
      token_payload: {
        ...{ authTime: 1_700_000_000, amr: ['pwd'], nonce: 'a nonce', scope: 'openid email profile' },
        claims: { id_token: { auth_time: null, amr: null, preferred_username: null } },
      },
    });
    const asked = new Set(['openid', 'email']);
    const target = { resource: ownApi, asked };
    const token = await issueIdToken({ ...deps, keys }, client, { ...user, ...session }, target);
    t.deepEqual(decodeProtectedHeader(token), { alg: key.alg, kid: key.kid }, alg);
    const { payload } = await jwtVerify(token, await importJWK(key.public_jwk as JWK, key.alg));
    const { iat = 0, ...claims } = payload;
    t.deepEqual(claims, {
      ...{ sub: user.id, preferred_username: user.username, auth_time: 1_700_000_000, amr: ['pwd'] },
      ...{ email: user.email, email_verified: false, nonce: 'a nonce', sid: session.id },
      ...{ iss: issuer, aud: client.client_id, exp: iat + deps.config.accessTokenTtl },
    });
    const alone = await issueIdToken(
      { ...deps, keys },
      client,
      { ...user, ...session },
      { resource: null, asked },
    );
    const { payload: few } = await jwtVerify(alone, await importJWK(key.public_jwk as JWK, key.alg));
    t.is(few.email, undefined, 'a client that can ask userinfo gets the claims of scopes there');
    t.is(few.preferred_username, user.username, 'a claim that was requested by its name is in the ID token');
  }
});
