// DPoP proofs at our own API (RFC 9449, section 7): a token that is bound to a key is valid only with a proof of that key.
import { createHash } from 'node:crypto';
import { calculateJwkThumbprint, EmbeddedJWK, jwtVerify } from 'jose';
import type { Deps } from '../../core/deps.ts';
import { useOnce } from '../../core/engine_records/single_use.ts';

/** Seconds by which a proof's `iat` may differ from now. */
const iatTolerance = 300;
/** Seconds for which its `jti` is remembered: as long as a proof with an `iat` in the future stays valid. */
const jtiTtl = 2 * iatTolerance + 1;
/** The algorithms of a proof. */
export const dpopAlgorithms = ['ES256', 'EdDSA', 'Ed25519', 'RS256', 'PS256'];

interface Expected {
  /** The thumbprint of the key, from the token's `cnf`. */
  jkt: string;
  method: string;
  /** The path of the request; the rest of `htu` comes from the issuer, never from the Host header. */
  path: string;
  accessToken: string;
}

/** Whether `proof` is valid for this request and token, is recent, and is used for the first time. */
export async function verifyDpopProof(deps: Deps, proof: string, expected: Expected): Promise<boolean> {
  const now = deps.clock.now();
  const verified = await verifySignature(proof, new Date(now));
  if (!verified || verified.thumbprint !== expected.jkt) return false;
  const { htm, htu, iat, jti, ath } = verified.payload;
  if (htm !== expected.method || !isSameUrl(htu, deps.config.issuer, expected.path)) return false;
  if (typeof iat !== 'number' || Math.abs(now / 1000 - iat) > iatTolerance) return false;
  if (ath !== createHash('sha256').update(expected.accessToken).digest('base64url')) return false;
  if (typeof jti !== 'string' || jti === '') return false;
  return await useOnce(deps.db, 'ReplayDetection', JSON.stringify([expected.jkt, jti]), jtiTtl);
}

// Any error here is the fault of the proof, whichever error the library or the system's cryptography throws.
async function verifySignature(
  proof: string,
  currentDate: Date,
): Promise<{ payload: Record<string, unknown>; thumbprint: string } | null> {
  try {
    const options = { typ: 'dpop+jwt', algorithms: dpopAlgorithms, currentDate };
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
