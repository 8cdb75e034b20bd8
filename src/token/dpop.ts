// DPoP proofs at the token endpoint (RFC 9449, 5): everything about a proof but whether its `jti` is new, which the statement of
// the grant decides.
import type { Context } from 'koa';
import type { Deps } from '../core/deps.ts';
import { AppError } from '../lib/errors.ts';
import { isProofUrl, type ProofAlg, verifyProofJwt } from '../lib/proof_jwt.ts';
import type { DpopProof } from './grant.ts';

/** Seconds by which a proof's `iat` may differ from now. */
const iatTolerance = 300;

/** Seconds for which a `jti` is remembered: as long as a proof with an `iat` in the future stays valid. */
export const jtiTtl = 2 * iatTolerance + 1;

/** The algorithms of proofs at the token endpoint, as discovery lists them. */
const algorithms: readonly ProofAlg[] = ['ES256', 'Ed25519', 'EdDSA'];

/** The proof of a request, or null when it has none. Throws `invalid_dpop_proof`. */
export function readProof(
  { config, clock }: Pick<Deps, 'config' | 'clock'>,
  ctx: Pick<Context, 'get' | 'method' | 'path'>,
): DpopProof | null {
  const proof = ctx.get('dpop');
  if (!proof) return null;
  const verified = verifyProofJwt(proof, algorithms, clock.now());
  if (!verified) throw invalid('invalid DPoP key binding');
  const { iat, jti, nonce, htm, htu } = verified.claims;
  if (typeof iat !== 'number' || !iat) throw invalid('DPoP proof must have a iat number property');
  if (typeof jti !== 'string' || !jti) throw invalid('DPoP proof must have a jti string property');
  // This server gives no nonces.
  if (nonce) throw invalid('DPoP nonces are not supported');
  if (Math.abs(clock.now() / 1000 - iat) > iatTolerance) throw invalid('DPoP proof iat is not recent enough');
  if (htm !== ctx.method) throw invalid('DPoP proof htm mismatch');
  if (!isProofUrl(htu, `${config.issuer}${ctx.path}`)) throw invalid('DPoP proof htu mismatch');
  return { thumbprint: verified.thumbprint, jti, isSpent: false };
}

function invalid(description: string): AppError {
  return new AppError('invalid_dpop_proof', description);
}
