import {
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';
import test from 'ava';
import { CompactSign, compactVerify, exportJWK, importJWK, jwtVerify } from 'jose';
import {
  createSigner,
  createVerifier,
  type JwsAlg,
  type PublicKey,
  toDerSignature,
  toRawSignature,
} from '../../src/lib/jws.ts';

function makeKey(alg: JwsAlg) {
  if (alg === 'EdDSA') return generateKeyPairSync('ed25519');
  if (alg === 'RS256' || alg === 'PS256') return generateKeyPairSync('rsa', { modulusLength: 2048 });
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

for (const alg of ['ES256', 'EdDSA', 'RS256', 'PS256'] as const) {
  test(`other libraries verify a JWT signed with ${alg}`, async (t) => {
    const { privateKey, publicKey } = makeKey(alg);
    const signer = createSigner(privateKey.export({ format: 'jwk' }) as JsonWebKey, {
      alg,
      kid: 'a key',
      typ: 'at+jwt',
    });
    const claims = { sub: 'ada', name: 'Ada Lövelace \u{1f600}', roles: ['a', 'b'] };
    const key = await importJWK({ ...(await exportJWK(publicKey)), alg });
    const { payload, protectedHeader } = await jwtVerify(await signer(claims), key, { typ: 'at+jwt' });
    t.deepEqual(payload, claims);
    t.deepEqual(protectedHeader, { alg, typ: 'at+jwt', kid: 'a key' });
    const [eve, ada] = [await signer({ sub: 'eve' }), await signer(claims)];
    const forged = `${eve.split('.', 2).join('.')}.${ada.split('.')[2]}`;
    await t.throwsAsync(compactVerify(forged, key));
  });
}

const algs = ['ES256', 'EdDSA', 'RS256', 'PS256'] as const;

function makeKeys(): { publicKeys: PublicKey[]; pairs: Map<JwsAlg, ReturnType<typeof makeKey>> } {
  const pairs = new Map(algs.map((alg) => [alg, makeKey(alg)]));
  const publicKeys = [...pairs].map(([alg, { publicKey }]) => ({
    kid: `of ${alg}`,
    alg,
    public_jwk: publicKey.export({ format: 'jwk' }) as JsonWebKey,
  }));
  return { publicKeys, pairs };
}

test('JWTs signed by other libraries are verified, and invalid ones are not', async (t) => {
  const { publicKeys, pairs } = makeKeys();
  const read = createVerifier(publicKeys, 'at+jwt');
  const claims = { sub: 'ada', n: 1 };
  for (const alg of algs) {
    const key = pairs.get(alg)?.privateKey;
    if (!key) throw new Error(alg);
    const issue = async (header: object, payload = JSON.stringify(claims)) =>
      await new CompactSign(Buffer.from(payload))
        .setProtectedHeader({ alg, kid: `of ${alg}`, typ: 'at+jwt', ...header })
        .sign(key, { crit: { x: true } });
    const good = await issue({});
    t.deepEqual(read(good), claims, alg);
    t.deepEqual(read(await issue({ typ: 'application/AT+jwt' })), claims, 'the long form of the type');
    t.is(read(await issue({ typ: 'JWT' })), null, 'another type');
    t.is(read(await issue({ typ: undefined })), null, 'no type');
    t.is(read(await issue({ kid: 'nobody' })), null, 'another key');
    t.is(read(await issue({ kid: undefined })), null, 'no key');
    t.is(
      read(await issue({ kid: `of ${algs.find((one) => one !== alg)}` })),
      null,
      'the key of another algorithm',
    );
    t.is(read(await issue({ crit: ['x'], x: 1 })), null, 'something that must be understood');
    t.is(read(await issue({}, 'null')), null);
    t.is(read(await issue({}, 'no JSON')), null);
    t.is(read(await issue({ kid: '__proto__' })), null);
    const [head, body, signature = ''] = good.split('.');
    const other = Buffer.from(JSON.stringify({ ...claims, sub: 'eve' })).toString('base64url');
    t.is(read(`${head}.${other}.${signature}`), null, 'other claims');
    t.is(read(`${head}.${body}.`), null, 'no signature');
    t.is(read(`${head}.${body}.${signature}.`), null);
    t.is(read(`${head}.${body}.${signature.slice(0, -4)}`), null, 'a short signature');
    t.is(read(`${head}.${body}.${signature}AAAA`), null, 'a long one');
    t.is(read(`${head}.${body}.${Buffer.alloc(64).toString('base64url')}`), null, 'zeros');
    for (const spelling of [
      ` ${good}`,
      `${good} `,
      `${good}=`,
      good.replace('.', '..'),
      good.replaceAll('.', ':'),
    ]) {
      t.is(read(spelling), null, spelling);
    }
    const unsigned = Buffer.from(JSON.stringify({ alg: 'none', kid: `of ${alg}`, typ: 'at+jwt' })).toString(
      'base64url',
    );
    t.is(read(`${unsigned}.${body}.${signature}`), null, 'alg none');
    t.is(read(`${unsigned}.${body}.`), null, 'alg none without a signature');
  }
});

test('invalid input is no JWT and throws no exception', (t) => {
  const read = createVerifier(makeKeys().publicKeys, 'at+jwt');
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const heads = [
    null,
    1,
    'x',
    [],
    {},
    { kid: 1 },
    { kid: 'of ES256' },
    { kid: 'of ES256', alg: 'ES256', typ: 1 },
  ];
  for (const head of heads) t.is(read(`${part(head)}.${part({})}.${part('x')}`), null);
  for (let i = 0; i < 500; i += 1) {
    const noise = randomBytes(i % 200).toString('base64url');
    t.is(read(noise), null);
    t.is(read(`${noise}.${noise}.${noise}`), null);
    t.is(read(`${part({ kid: 'of ES256', alg: 'ES256', typ: 'at+jwt' })}.${noise}.${noise}`), null);
  }
});

test('ECDSA signatures are converted correctly, however many zeros their numbers begin with', (t) => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = createPublicKey(publicKey.export({ format: 'pem', type: 'spki' }));
  const lengths = new Set<number>();
  // One number in 256 begins with a zero byte: among so many signatures there are some of all kinds.
  for (let i = 0; i < 3_000; i += 1) {
    const data = Buffer.from(String(i));
    const der = sign('sha256', data, privateKey);
    lengths.add(der.length);
    const numbers = toRawSignature(der);
    t.is(numbers.length, 64);
    t.deepEqual(toDerSignature(numbers), der);
    if (i % 10 === 0 || der.length < 70) {
      t.true(verify('sha256', data, { key, dsaEncoding: 'ieee-p1363' }, numbers), der.toString('hex'));
    }
  }
  t.true(lengths.size >= 4, [...lengths].join());
});
