// DPoP proofs at our own API (RFC 9449, section 7): a token that is bound to a key is valid only with a proof of that key.
import { hash } from 'node:crypto';
import type { Deps } from '../../core/deps.ts';
import { jtiHandle, replayModel, useOnce } from '../../core/engine_records/single_use.ts';
import { isProofUrl, type ProofAlg, verifyProofJwt } from '../../lib/proof_jwt.ts';

/** Seconds by which a proof's `iat` may differ from now. */
const iatTolerance = 300;
/** Seconds for which its `jti` is remembered: as long as a proof with an `iat` in the future stays valid. */
const jtiTtl = 2 * iatTolerance + 1;
/** The algorithms of a proof. */
export const dpopAlgorithms: readonly ProofAlg[] = ['ES256', 'EdDSA', 'Ed25519', 'RS256', 'PS256'];

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
  const { config, clock, db } = deps;
  const verified = verifyProofJwt(proof, dpopAlgorithms, clock.now());
  if (!verified || verified.thumbprint !== expected.jkt) return false;
  const { htm, htu, iat, jti, ath } = verified.claims;
  if (htm !== expected.method || !isProofUrl(htu, `${config.issuer}${expected.path}`)) return false;
  if (typeof iat !== 'number' || Math.abs(clock.now() / 1000 - iat) > iatTolerance) return false;
  if (ath !== hash('sha256', expected.accessToken, 'base64url')) return false;
  if (typeof jti !== 'string' || jti === '') return false;
  return await useOnce(db, replayModel, jtiHandle(expected.jkt, jti), jtiTtl);
}
