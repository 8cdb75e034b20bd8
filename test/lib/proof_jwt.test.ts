// Compares the verification of DPoP proofs with jose's, over every alteration that one of them might miss.
import { generateKeyPairSync, type JsonWebKey, type KeyObject, sign } from 'node:crypto';
import test from 'ava';
import { calculateJwkThumbprint, EmbeddedJWK, jwtVerify, SignJWT } from 'jose';
import { isProofUrl, type ProofAlg, verifyProofJwt } from '../../src/lib/proof_jwt.ts';

const algorithms: readonly ProofAlg[] = ['ES256', 'EdDSA', 'Ed25519', 'RS256', 'PS256'];
const now = 1_800_000_000_000;

interface Pair {
  privateKey: KeyObject;
  publicKey: KeyObject;
}

const pairs: Record<string, Pair> = {
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: generateKeyPairSync('ed25519'),
  RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
};
pairs.Ed25519 = pairs.EdDSA as Pair;
pairs.PS256 = pairs.RS256 as Pair;

const claims = { htm: 'POST', htu: 'https://id.example.test/token', iat: now / 1000, jti: 'one' };

function jwkOf(alg: string): JsonWebKey {
  return (pairs[alg] as Pair).publicKey.export({ format: 'jwk' });
}

async function makeProof(
  alg: string,
  header: object = {},
  more: Record<string, unknown> = {},
): Promise<string> {
  return await new SignJWT({ ...claims, ...more })
    .setProtectedHeader({ alg, typ: 'dpop+jwt', jwk: jwkOf(alg), ...header })
    .sign((pairs[alg] as Pair).privateKey);
}

/** A proof with this header as it stands, signed by the P-256 key. */
function signRaw(header: unknown, body: unknown = claims): string {
  const encode = (part: unknown) =>
    Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url');
  const signed = `${encode(header)}.${encode(body)}`;
  const key = { key: (pairs.ES256 as Pair).privateKey, dsaEncoding: 'ieee-p1363' } as const;
  return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`;
}

async function byJose(proof: string): Promise<object | null> {
  try {
    const options = { typ: 'dpop+jwt', algorithms: [...algorithms], currentDate: new Date(now) };
    const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, options);
    if (!protectedHeader.jwk) return null;
    return { thumbprint: await calculateJwkThumbprint(protectedHeader.jwk), claims: payload };
  } catch {
    return null;
  }
}

for (const alg of algorithms) {
  test(`a proof by ${alg} is verified as jose verifies it`, async (t) => {
    const proof = await makeProof(alg);
    t.deepEqual<object | null, object | null>(verifyProofJwt(proof, algorithms, now), await byJose(proof));
    t.is(verifyProofJwt(proof, ['ES384' as ProofAlg], now), null);
    const [head, , signature] = proof.split('.');
    const forged = `${head}.${Buffer.from('{"jti":"two"}').toString('base64url')}.${signature}`;
    t.is(verifyProofJwt(forged, algorithms, now), null);
    t.is(verifyProofJwt(`${proof}x`, algorithms, now), null);
  });
}

const ec = jwkOf('ES256');
const header = { alg: 'ES256', typ: 'dpop+jwt', jwk: ec };
const odd: Record<string, () => string | Promise<string>> = {
  'a private key in the header': () =>
    signRaw({ ...header, jwk: (pairs.ES256 as Pair).privateKey.export({ format: 'jwk' }) }),
  'no key': () => signRaw({ ...header, jwk: undefined }),
  'a key that is null': () => signRaw({ ...header, jwk: null }),
  'a list of keys': () => signRaw({ ...header, jwk: [ec] }),
  'another curve': () => signRaw({ ...header, jwk: { ...ec, crv: 'P-384' } }),
  'no curve': () => signRaw({ ...header, jwk: { ...ec, crv: undefined } }),
  'a symmetric key': () => signRaw({ ...header, jwk: { kty: 'oct', k: 'AAAA' } }),
  'an RSA key under ES256': () => signRaw({ ...header, jwk: jwkOf('RS256') }),
  'a point that is not on the curve': () => signRaw({ ...header, jwk: { ...ec, y: ec.x } }),
  'a coordinate that is a number': () => signRaw({ ...header, jwk: { ...ec, x: 1 } }),
  'an empty coordinate': () => signRaw({ ...header, jwk: { ...ec, x: '' } }),
  'further members of the key': () => signRaw({ ...header, jwk: { ...ec, kid: 'mine', use: 'sig' } }),
  'the algorithm none': () => signRaw({ ...header, alg: 'none' }),
  'the algorithm HS256': () => signRaw({ ...header, alg: 'HS256' }),
  'the algorithm of another key': () => signRaw({ ...header, alg: 'RS256' }),
  'no type': () => signRaw({ ...header, typ: undefined }),
  'another type': () => signRaw({ ...header, typ: 'JWT' }),
  'a type with its prefix': () => signRaw({ ...header, typ: 'application/dpop+jwt' }),
  'a type in capitals': () => signRaw({ ...header, typ: 'DPoP+JWT' }),
  'critical members': () => signRaw({ ...header, crit: ['x'], x: 1 }),
  'an unencoded payload': () => signRaw({ ...header, crit: ['b64'], b64: false }),
  'a header that is no object': () => signRaw('7'),
  'claims that are no object': () => signRaw(header, '"text"'),
  'claims that are a list': () => signRaw(header, '[]'),
  'an expiry that has passed': () => signRaw(header, { ...claims, exp: now / 1000 - 1 }),
  'an expiry now': () => signRaw(header, { ...claims, exp: now / 1000 }),
  'an expiry to come': () => signRaw(header, { ...claims, exp: now / 1000 + 1 }),
  'an expiry that is text': () => signRaw(header, { ...claims, exp: 'soon' }),
  'not valid yet': () => signRaw(header, { ...claims, nbf: now / 1000 + 1 }),
  'valid from now': () => signRaw(header, { ...claims, nbf: now / 1000 }),
  'only two parts': () => 'a.b',
  'four parts': async () => `${await makeProof('ES256')}.x`,
  padding: async () => `${await makeProof('ES256')}=`,
  'two proofs in one header': async () => `${await makeProof('ES256')}, ${await makeProof('ES256')}`,
};

for (const [title, make] of Object.entries(odd)) {
  test(`a proof with ${title} is judged as jose judges it`, async (t) => {
    const proof = await make();
    t.deepEqual<object | null, object | null>(verifyProofJwt(proof, algorithms, now), await byJose(proof));
  });
}

test('a proof longer than any honest one, and one by a key of unusual length, are refused before their signature is verified', async (t) => {
  t.is(verifyProofJwt(await makeProof('ES256', {}, { jti: 'x'.repeat(9_000) }), algorithms, now), null);
  const short = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const signed = await makeProof('RS256', { jwk: short.publicKey.export({ format: 'jwk' }) });
  t.is(verifyProofJwt(signed, algorithms, now), null);
});

test('the URL of a proof is compared without its query and fragment', (t) => {
  const url = 'https://id.example.test/base/token';
  t.true(isProofUrl(url, url));
  t.true(isProofUrl(`${url}?a=b#c`, url));
  t.true(isProofUrl('HTTPS://ID.example.test:443/base/./token', url));
  for (const other of [
    '',
    null,
    7,
    'https://id.example.test/token',
    `${url}/`,
    'http://id.example.test/base/token',
    'https://id.example.test:444/base/token',
    '/base/token',
    'https://user@evil.test/base/token',
  ])
    t.false(isProofUrl(other, url), String(other));
});
