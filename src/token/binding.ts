// The key or the certificate to which the tokens of a login or of a client are bound (RFC 9449, 5; RFC 8705, 3).
import type { Deps } from '../core/deps.ts';
import { certificateThumbprint } from '../lib/certificate.ts';
import { AppError } from '../lib/errors.ts';
import type { Binding } from './access_token.ts';
import type { GrantRequest } from './grant.ts';

/** The sentences about a missing proof or certificate. */
export const missing = {
  proof: 'A DPoP proof is needed here, and the request has none.',
  certificate: 'A client certificate is needed here, and the request has none.',
  fresh: 'The DPoP proof was used before; make a new one for each request.',
};

/**
 * What the first tokens of a session or of a client are bound to. Refuses with `invalid_grant` a request without the proof or
 * the certificate to which the tokens of its client must be bound, and with `invalid_request` one with both.
 */
export function requireBinding(
  { config }: Pick<Deps, 'config'>,
  { known, proof, certificate }: GrantRequest,
): Binding {
  const { dpop_bound_access_tokens, tls_client_certificate_bound_access_tokens } = known.client.metadata;
  if (dpop_bound_access_tokens && !proof) throw new AppError('invalid_grant', missing.proof);
  // Without a header no proxy forwards certificates, and a client cannot be asked for one.
  const needsCertificate = tls_client_certificate_bound_access_tokens && config.certificateHeader !== null;
  if (needsCertificate && !certificate) throw new AppError('invalid_grant', missing.certificate);
  if (!needsCertificate || !certificate) return proof ? { jkt: proof.thumbprint } : {};
  // A resource server looks for one of them, and could miss the other.
  if (proof) throw new AppError('invalid_request', 'multiple proof-of-possession mechanisms are not allowed');
  return { 'x5t#S256': certificateThumbprint(certificate) };
}
