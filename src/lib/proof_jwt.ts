// The JWT of a DPoP proof (RFC 9449, 4.2): signed by the key that its own header contains. Verified with node:crypto, and the
// keys that were seen last are kept, because a client uses one key for all of its proofs.
import { createPublicKey, hash, type JsonWebKey, type KeyObject } from 'node:crypto';
import { decodePart, isOfType, verifyBytes } from './jws.ts';
import { createLru } from './lru.ts';

/** The algorithms of proofs. */
export type ProofAlg = 'ES256' | 'EdDSA' | 'Ed25519' | 'RS256' | 'PS256';

/** A proof whose signature is good. Its claims have not been checked. */
export interface VerifiedProof {
  /** The thumbprint of the key (RFC 7638), by which bound tokens name it. */
  thumbprint: string;
  claims: Record<string, unknown>;
}

/** The longest proof, characters; an honest one has 500, with an RSA key 1,500. */
const maxLength = 8_192;

// The members of a key that its thumbprint is made of, in their order, and those of a private key.
const members: Record<string, readonly string[]> = {
  EC: ['crv', 'kty', 'x', 'y'],
  OKP: ['crv', 'kty', 'x'],
  RSA: ['e', 'kty', 'n'],
};
const curves: Partial<Record<ProofAlg, string>> = { ES256: 'P-256', EdDSA: 'Ed25519', Ed25519: 'Ed25519' };
const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k'];

/** The smallest RSA key, bits (RFC 7518, 3.3), and the largest, because a verification costs as much as its key is long. */
const rsaBits = { min: 2048, max: 4096 };

const keys = createLru<KeyObject>(1_000);

/**
 * Verifies the signature of a proof by one of `algs`, and its `exp` and `nbf`, if it has any, at the time `now` in milliseconds.
 * Null when the proof is not one, its signature is not good or it is not in its time.
 */
export function verifyProofJwt(proof: string, algs: readonly ProofAlg[], now: number): VerifiedProof | null {
  if (proof.length > maxLength) return null;
  const [, head = '', body = '', signature = ''] = /^([\w-]+)\.([\w-]+)\.([\w-]+)$/.exec(proof) ?? [];
  const header = decodePart(head);
  const alg = algs.find((one) => one === header?.alg);
  if (!header || !alg || header.crit !== undefined || !isOfType(header.typ, 'dpop+jwt')) return null;
  const found = keyOf(header.jwk, alg);
  if (!found) return null;
  const signed = Buffer.from(`${head}.${body}`);
  if (!isGood(alg, found.key, signed, Buffer.from(signature, 'base64url'))) return null;
  const claims = decodePart(body);
  return claims && isInTime(claims, now / 1000) ? { thumbprint: found.thumbprint, claims } : null;
}

// RFC 7519, 4.1.4 and 4.1.5. Proofs need neither; the caller bounds their age by `iat`.
function isInTime({ exp, nbf }: Record<string, unknown>, now: number): boolean {
  if (exp !== undefined && !(typeof exp === 'number' && exp > now)) return false;
  return nbf === undefined || (typeof nbf === 'number' && nbf <= now);
}

function isGood(alg: ProofAlg, key: KeyObject, signed: Buffer, signature: Buffer): boolean {
  try {
    return verifyBytes(alg === 'Ed25519' ? 'EdDSA' : alg, key, signed, signature);
  } catch {
    return false;
  }
}

function keyOf(jwk: unknown, alg: ProofAlg): { key: KeyObject; thumbprint: string } | null {
  if (typeof jwk !== 'object' || jwk === null || Array.isArray(jwk)) return null;
  const given = jwk as JsonWebKey;
  const names = members[given.kty ?? ''];
  const kty = alg === 'ES256' ? 'EC' : curves[alg] ? 'OKP' : 'RSA';
  if (!names || given.kty !== kty || given.crv !== curves[alg]) return null;
  if (privateMembers.some((name) => given[name] !== undefined)) return null;
  if (names.some((name) => typeof given[name] !== 'string')) return null;
  const canonical = Object.fromEntries(names.map((name) => [name, given[name]]));
  const thumbprint = hash('sha256', JSON.stringify(canonical), 'base64url');
  const key = keys.get(thumbprint) ?? importKey(canonical);
  if (!key) return null;
  keys.set(thumbprint, key);
  return { key, thumbprint };
}

// OpenSSL refuses a point that is not on the curve.
function importKey(jwk: JsonWebKey): KeyObject | null {
  try {
    const key = createPublicKey({ key: jwk, format: 'jwk' });
    const { modulusLength = rsaBits.min } = key.asymmetricKeyDetails ?? {};
    return modulusLength >= rsaBits.min && modulusLength <= rsaBits.max ? key : null;
  } catch {
    return null;
  }
}

/**
 * Whether the `htu` of a proof names `url`. Query and fragment of `htu` do not count (RFC 9449, 4.3). `url` must come from the
 * issuer, never from the Host header.
 */
export function isProofUrl(htu: unknown, url: string): boolean {
  const named = typeof htu === 'string' ? URL.parse(htu) : null;
  return named !== null && named.origin + named.pathname === new URL(url).href;
}
