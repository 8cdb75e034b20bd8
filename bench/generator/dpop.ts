// Proofs of DPoP (RFC 9449), one for each request. By `crypto.sign` over DER a proof takes about 50 µs, so that those of a
// thousand requests a second cost the generator a twentieth of its core.
import { createPrivateKey, createPublicKey, generateKeyPairSync, type JsonWebKey, sign } from 'node:crypto';
import { toRawSignature } from '../../src/lib/jws.ts';
import { takeRandom } from '../../src/lib/random.ts';

/** A new private key for proofs, as the loads carry it to the generator's process. */
export function newProofKey(): JsonWebKey {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
}

/** A function that makes a proof for the next POST to `url`. */
export function createProver(jwk: JsonWebKey, url: string): () => string {
  const key = createPrivateKey({ key: jwk, format: 'jwk' });
  const { kty, crv, x, y } = createPublicKey(key).export({ format: 'jwk' });
  const head = encode({ alg: 'ES256', typ: 'dpop+jwt', jwk: { kty, crv, x, y } });
  return () => {
    const jti = takeRandom(16).toString('base64url');
    const signed = `${head}.${encode({ htm: 'POST', htu: url, jti, iat: Math.floor(Date.now() / 1000) })}`;
    return `${signed}.${toRawSignature(sign('sha256', Buffer.from(signed), key)).toString('base64url')}`;
  };
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}
