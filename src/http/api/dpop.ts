// Proof of possession at our own API (RFC 9449, section 7): a bound token is good only with its key.
import { createHash } from 'node:crypto';
import { calculateJwkThumbprint, EmbeddedJWK, jwtVerify } from 'jose';
import type { Deps } from '../../core/deps.ts';
import { useOnce } from '../../core/engine_records/engine_records.ts';

/** Seconds that a proof's `iat` may differ from now. */
const window = 300;
/** Seconds that its `jti` is remembered: as long as one from the future is good. */
const memory = 2 * window + 1;
const algorithms = ['ES256', 'EdDSA', 'Ed25519', 'RS256', 'PS256'];

interface Expected {
  /** The thumbprint in the token's `cnf`. */
  jkt: string;
  method: string;
  /** Path of the request; the rest of `htu` comes from the issuer, never from the Host header. */
  path: string;
  accessToken: string;
}

/** Whether `proof` shows, here and now and for the first time, that the sender holds the token's key. */
export async function verifyDpopProof(deps: Deps, proof: string, expected: Expected): Promise<boolean> {
  const now = deps.clock.now();
  const verified = await verifySignature(proof, new Date(now));
  if (!verified || verified.thumbprint !== expected.jkt) return false;
  const { htm, htu, iat, jti, ath } = verified.payload;
  if (htm !== expected.method || !isSameUrl(htu, deps.config.issuer, expected.path)) return false;
  if (typeof iat !== 'number' || Math.abs(now / 1000 - iat) > window) return false;
  if (ath !== createHash('sha256').update(expected.accessToken).digest('base64url')) return false;
  if (typeof jti !== 'string' || jti === '') return false;
  return await useOnce(deps.db, 'ReplayDetection', JSON.stringify([expected.jkt, jti]), memory);
}

// All that can go wrong here is in the proof, whatever the library and the system's cryptography throw over it.
async function verifySignature(
  proof: string,
  currentDate: Date,
): Promise<{ payload: Record<string, unknown>; thumbprint: string } | null> {
  try {
    const options = { typ: 'dpop+jwt', algorithms, currentDate };
    const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, options);
    if (!protectedHeader.jwk) return null;
    return { payload, thumbprint: await calculateJwkThumbprint(protectedHeader.jwk) };
  } catch {
    return null;
  }
}

function isSameUrl(htu: unknown, issuer: string, path: string): boolean {
  const url = typeof htu === 'string' ? URL.parse(htu) : null;
  return url !== null && url.origin + url.pathname === `${issuer}${path}`;
}
