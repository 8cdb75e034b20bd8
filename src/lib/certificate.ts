// Client certificates that a proxy passes on in a header.
import { createHash, X509Certificate } from 'node:crypto';

/**
 * The certificate of a header: PEM, URL-encoded as nginx and others write it, or DER as RFC 9440 does
 * (`:base64:`). Null when it is neither.
 */
export function readCertificate(header: string): X509Certificate | null {
  if (header === '') return null;
  try {
    const [, der] = /^:([A-Za-z0-9+/]+={0,2}):$/.exec(header) ?? [];
    return new X509Certificate(der === undefined ? decodeURIComponent(header) : Buffer.from(der, 'base64'));
  } catch {
    return null;
  }
}

/** The thumbprint by which a bound token names its certificate: `x5t#S256` (RFC 8705, 3.1). */
export function certificateThumbprint(certificate: X509Certificate): string {
  return createHash('sha256').update(certificate.raw).digest('base64url');
}
