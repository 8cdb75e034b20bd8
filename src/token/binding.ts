// The key or the certificate to which the tokens of a login or of a client are bound (RFC 9449, 5; RFC 8705, 3).
import { isFapi2 } from '../core/clients/security_profile.ts';
import type { Deps } from '../core/deps.ts';
import { certificateThumbprint } from '../lib/certificate.ts';
import { AppError } from '../lib/errors.ts';
import type { Binding } from './access_token.ts';
import type { GrantRequest } from './grant.ts';

/** The sentences about a missing proof or certificate, and about a proof that is not fresh. */
export const missing = {
  proof: 'A DPoP proof is needed here, and the request has none.',
  certificate: 'A client certificate is needed here, and the request has none.',
  fresh: 'The DPoP proof was used before; make a new one for each request.',
};

/** What the log says about them. */
export const logged = {
  proof: 'DPoP proof JWT not provided',
  certificate: 'mutual TLS client certificate not provided',
  fresh: 'DPoP proof JWT Replay detected',
};

/** The refusal of a proof that was used before. */
export function proofUsedBefore(): AppError {
  return new AppError('invalid_grant', missing.fresh, { logDetail: logged.fresh, isDecided: true });
}

function refuse(description: string, logDetail: string): AppError {
  return new AppError('invalid_grant', description, { logDetail });
}

type Asked = Pick<GrantRequest, 'known' | 'proof' | 'certificate'>;

/**
 * Whether the client itself demands a proof or a certificate. Without a header no proxy forwards certificates, and a client
 * cannot be asked for one, unless its security profile allows no other tokens.
 */
export function demandsOf(
  { config }: Pick<Deps, 'config'>,
  { known }: Pick<Asked, 'known'>,
): { proof: boolean; certificate: boolean } {
  const { metadata } = known.client;
  const mayAsk = config.certificateHeader !== null || isFapi2(metadata);
  return {
    proof: metadata.dpop_bound_access_tokens === true,
    certificate: metadata.tls_client_certificate_bound_access_tokens === true && mayAsk,
  };
}

/** The binding by a proof or by the thumbprint of a certificate. Refuses with `invalid_request` a request with both. */
export function bindingBy(proof: GrantRequest['proof'], thumbprint: string | null): Binding {
  // A resource server looks for one of them, and could miss the other.
  if (proof && thumbprint)
    throw new AppError('invalid_request', 'multiple proof-of-possession mechanisms are not allowed');
  if (proof) return { jkt: proof.thumbprint };
  return thumbprint ? { 'x5t#S256': thumbprint } : {};
}

/**
 * What the first tokens of a session or of a client are bound to. Refuses with `invalid_grant` a request without the proof or
 * the certificate to which the tokens of its client must be bound, and with `invalid_request` one with both.
 */
export function requireBinding(deps: Pick<Deps, 'config'>, request: Asked): Binding {
  const { proof, certificate } = request;
  const demands = demandsOf(deps, request);
  if (demands.proof && !proof) throw refuse(missing.proof, logged.proof);
  if (demands.certificate && !certificate) throw refuse(missing.certificate, logged.certificate);
  return bindingBy(proof, demands.certificate && certificate ? certificateThumbprint(certificate) : null);
}
