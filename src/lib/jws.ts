// Signed JWTs in the compact form (RFC 7515), made with node:crypto: a signature by `crypto.sign` costs about half of
// one by way of WebCrypto, and a refresh is little else.
import { createPrivateKey, type JsonWebKey, type KeyObject, sign } from 'node:crypto';

export type JwsAlg = 'ES256' | 'EdDSA' | 'RS256';

/** Signs claims with one key, under one header. */
export type Signer = (claims: object) => string;

/** Makes the signer of a private JWK; `typ` is the token's media type (RFC 9068: `at+jwt`). */
export function createSigner(jwk: JsonWebKey, header: { alg: JwsAlg; kid: string; typ: string }): Signer {
  const key = createPrivateKey({ key: jwk, format: 'jwk' });
  const { alg, typ, kid } = header;
  const head = encode({ alg, typ, kid });
  return (claims) => {
    const signed = `${head}.${encode(claims)}`;
    return `${signed}.${signBytes(alg, key, Buffer.from(signed)).toString('base64url')}`;
  };
}

// ECDSA signatures are the two numbers side by side (RFC 7518, 3.4), not ASN.1; Ed25519 hashes by itself.
function signBytes(alg: JwsAlg, key: KeyObject, data: Buffer): Buffer {
  if (alg === 'EdDSA') return sign(null, data, key);
  return sign('sha256', data, { key, dsaEncoding: 'ieee-p1363' });
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}
