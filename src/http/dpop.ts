// Proof of possession at our own API (RFC 9449, section 7): a bound token is good only with its key.
import { createHash } from 'node:crypto';
import { calculateJwkThumbprint, EmbeddedJWK, jwtVerify } from 'jose';
import { useOnce } from '../core/oidc_models.ts';
import type { Services } from '../core/services.ts';

/** Seconds that a proof's `iat` may differ from now, and that its `jti` is remembered. */
const window = 300;
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
export async function verifyProof(services: Services, proof: string, expected: Expected): Promise<boolean> {
  const now = services.clock.now();
  try {
    const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
      typ: 'dpop+jwt',
      algorithms,
      currentDate: new Date(now),
    });
    const { htm, htu, iat, jti, ath } = payload as Record<string, unknown>;
    if (htm !== expected.method || !isSameUrl(htu, services.config.issuer, expected.path)) return false;
    if (typeof iat !== 'number' || Math.abs(now / 1000 - iat) > window) return false;
    if (ath !== createHash('sha256').update(expected.accessToken).digest('base64url')) return false;
    if (!protectedHeader.jwk || (await calculateJwkThumbprint(protectedHeader.jwk)) !== expected.jkt)
      return false;
    if (typeof jti !== 'string' || jti === '') return false;
    return await useOnce(services.db, 'ReplayDetection', JSON.stringify([expected.jkt, jti]), window * 2);
  } catch (error) {
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_J')) return false;
    if (error instanceof TypeError) return false;
    throw error;
  }
}

function isSameUrl(htu: unknown, issuer: string, path: string): boolean {
  const url = typeof htu === 'string' ? URL.parse(htu) : null;
  return url !== null && url.origin + url.pathname === `${issuer}${path}`;
}
