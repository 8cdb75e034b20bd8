import { createPublicKey, generateKeyPairSync, type JsonWebKey, sign, verify } from 'node:crypto';
import test from 'ava';
import { compactVerify, importJWK, jwtVerify } from 'jose';
import { createSigner, type JwsAlg, numbersOf } from '../../src/lib/jws.ts';

function makeKey(alg: JwsAlg) {
  if (alg === 'EdDSA') return generateKeyPairSync('ed25519');
  if (alg === 'RS256') return generateKeyPairSync('rsa', { modulusLength: 2048 });
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

for (const alg of ['ES256', 'EdDSA', 'RS256'] as const) {
  test(`what is signed with ${alg}, others verify`, async (t) => {
    const { privateKey, publicKey } = makeKey(alg);
    const signer = createSigner(privateKey.export({ format: 'jwk' }) as JsonWebKey, {
      alg,
      kid: 'a key',
      typ: 'at+jwt',
    });
    const claims = { sub: 'ada', name: 'Ada Lövelace \u{1f600}', roles: ['a', 'b'] };
    const key = await importJWK({ ...publicKey.export({ format: 'jwk' }), alg } as never);
    const { payload, protectedHeader } = await jwtVerify(signer(claims), key, { typ: 'at+jwt' });
    t.deepEqual(payload, claims);
    t.deepEqual(protectedHeader, { alg, typ: 'at+jwt', kid: 'a key' });
    const forged = `${signer({ sub: 'eve' }).split('.', 2).join('.')}.${signer(claims).split('.')[2]}`;
    await t.throwsAsync(compactVerify(forged, key));
  });
}

test('the numbers of an ECDSA signature are right, however many zeros they begin with', (t) => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = createPublicKey(publicKey.export({ format: 'pem', type: 'spki' }));
  const lengths = new Set<number>();
  // One number in 256 begins with a zero byte: among so many signatures there are some of all kinds.
  for (let i = 0; i < 3_000; i += 1) {
    const data = Buffer.from(String(i));
    const der = sign('sha256', data, privateKey);
    lengths.add(der.length);
    const numbers = numbersOf(der);
    t.is(numbers.length, 64);
    if (i % 10 === 0 || der.length < 70) {
      t.true(verify('sha256', data, { key, dsaEncoding: 'ieee-p1363' }, numbers), der.toString('hex'));
    }
  }
  t.true(lengths.size >= 4, [...lengths].join());
});
