// Signed JWTs in the compact form (RFC 7515), made with node:crypto, because the signature is most of the work of a refresh:
// ES256 takes 35 µs this way, 90 µs with `dsaEncoding: 'ieee-p1363'`, 120 µs by WebCrypto.
import {
  constants,
  createPrivateKey,
  createPublicKey,
  type JsonWebKey,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { promisify } from 'node:util';

export type JwsAlg = 'ES256' | 'EdDSA' | 'RS256' | 'PS256';

/** The algorithms by which a server signs what it answers. */
export interface SigningAlgs {
  /** Those that clients may ask for, the one of access tokens first. */
  offered: readonly [JwsAlg, ...JwsAlg[]];
  /** The same, and those that sign only until the next rotation of the keys. */
  signable: readonly JwsAlg[];
}

const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };

/** Signs claims with one key, under one header. */
export type Signer = (claims: object) => Promise<string>;

/** Makes the signer of a private JWK; `typ` is the token's media type (RFC 9068: `at+jwt`), which ID tokens do not have. */
export function createSigner(jwk: JsonWebKey, header: { alg: JwsAlg; kid: string; typ?: string }): Signer {
  const key = createPrivateKey({ key: jwk, format: 'jwk' });
  const { alg, typ, kid } = header;
  const head = encode({ alg, typ, kid });
  return async (claims) => {
    const signed = `${head}.${encode(claims)}`;
    return `${signed}.${(await signBytes(alg, key, Buffer.from(signed))).toString('base64url')}`;
  };
}

/** Makes the signer of any data with a private JWK: the signature as a JWS has it, without encoding (RFC 7518, 3). */
export function createDataSigner(
  jwk: JsonWebKey,
  alg: JwsAlg,
): (data: Uint8Array) => Buffer | Promise<Buffer> {
  const key = createPrivateKey({ key: jwk, format: 'jwk' });
  return (data) => signBytes(alg, key, data);
}

const signInPool = promisify(sign);

// An RSA signature takes 0.7 ms or more and is made in the thread pool, so that other requests go on. The others are faster
// than the way to the pool and back. Ed25519 takes no digest; it hashes by itself.
function signBytes(alg: JwsAlg, key: KeyObject, data: Uint8Array): Buffer | Promise<Buffer> {
  if (alg === 'EdDSA') return sign(null, data, key);
  if (alg === 'ES256') return toRawSignature(sign('sha256', data, key));
  return signInPool('sha256', data, alg === 'PS256' ? { key, ...pss } : key);
}

/**
 * Converts an ECDSA signature over P-256 from DER to r and s side by side, 32 bytes each (RFC 7518, 3.4). In DER both are
 * integers without leading zeros, and with one zero byte in front where the first bit is set. Only for the output of OpenSSL:
 * a DER from outside would need checks.
 */
export function toRawSignature(der: Buffer): Buffer {
  const numbers = Buffer.alloc(64);
  const first = der.readUInt8(3);
  placeNumber(der.subarray(4, 4 + first), numbers, 32);
  placeNumber(der.subarray(6 + first), numbers, 64);
  return numbers;
}

function placeNumber(integer: Buffer, into: Buffer, end: number): void {
  const digits = integer.length > 32 ? integer.subarray(integer.length - 32) : integer;
  digits.copy(into, end - digits.length);
}

/** Verifies a signed JWT: its claims when the signature is good, else null. The claims themselves are not checked. */
export type Verifier = (token: string) => Record<string, unknown> | null;

export interface PublicKey {
  kid: string;
  alg: JwsAlg;
  public_jwk: JsonWebKey;
}

/**
 * Makes the verifier of JWTs of one type (`typ`) under these keys. It refuses a header with another type, an unknown key,
 * another algorithm than the key's, or critical parameters (`crit`). ES256 takes 85 µs this way and 235 µs by WebCrypto, which
 * would be half of an introspection.
 */
export function createVerifier(keys: PublicKey[], typ: string): Verifier {
  const byId = new Map(
    keys.map(({ kid, alg, public_jwk }) => [
      kid,
      { alg, key: createPublicKey({ key: public_jwk, format: 'jwk' }) },
    ]),
  );
  return (token) => {
    const [, head = '', claims = '', signature = ''] = compact.exec(token) ?? [];
    const header = decodePart(head);
    const known = typeof header?.kid === 'string' ? byId.get(header.kid) : undefined;
    if (!header || !known || header.alg !== known.alg || header.crit !== undefined) return null;
    if (!isOfType(header.typ, typ)) return null;
    const signed = Buffer.from(token.slice(0, head.length + 1 + claims.length));
    const isGood = verifyBytes(known.alg, known.key, signed, Buffer.from(signature, 'base64url'));
    return isGood ? decodePart(claims) : null;
  };
}

const compact = /^([\w-]+)\.([\w-]+)\.([\w-]+)$/;

/** Whether a header's `typ` names a media type; RFC 7515, 4.1.9: the prefix `application/` may be left out, and case does not matter. */
export function isOfType(given: unknown, typ: string): boolean {
  return typeof given === 'string' && given.toLowerCase().replace(/^application\//, '') === typ;
}

/** Verifies a signature in the form of a JWS; `key` is of the algorithm's type. */
export function verifyBytes(alg: JwsAlg, key: KeyObject, data: Buffer, signature: Buffer): boolean {
  if (alg === 'PS256') return verify('sha256', data, { key, ...pss }, signature);
  if (alg === 'EdDSA') return verify(null, data, key, signature);
  if (alg === 'RS256') return verify('sha256', data, key, signature);
  return signature.length === 64 && verify('sha256', data, key, toDerSignature(signature));
}

/** Converts r and s side by side to DER; the inverse of {@link toRawSignature}. */
export function toDerSignature(numbers: Buffer): Buffer {
  const [r, s] = [integerOf(numbers.subarray(0, 32)), integerOf(numbers.subarray(32))];
  return Buffer.concat([Buffer.of(0x30, r.length + s.length), r, s]);
}

// Without leading zeros, but with one zero byte where the first bit would otherwise be a sign.
function integerOf(number: Buffer): Buffer {
  let start = 0;
  while (start < number.length - 1 && number[start] === 0) start += 1;
  const digits = number.subarray(start);
  const sign = digits.readUInt8(0) > 0x7f ? Buffer.of(0) : Buffer.alloc(0);
  return Buffer.concat([Buffer.of(2, sign.length + digits.length), sign, digits]);
}

/** The claims of a JWT whose signature the caller knows to be good, else null. */
export function decodeClaims(token: string): Record<string, unknown> | null {
  return decodePart(token.split('.')[1] ?? '');
}

/** The object of one part of a JWS, or null when it is none. */
export function decodePart(part: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString());
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}
