// The certificate of a client behind a proxy that ends mutual TLS (RFC 8705): read from the header that the proxy sets.
import type { X509Certificate } from 'node:crypto';
import type { Context } from 'koa';
import type { Deps } from '../core/deps.ts';
import { readCertificate } from '../lib/certificate.ts';

/** The certificate of the request, or null; a header that is no certificate counts as none. */
export function readCertificateOf(
  { config }: Pick<Deps, 'config'>,
  ctx: Pick<Context, 'get'>,
): X509Certificate | null {
  return config.certificateHeader === null ? null : readCertificate(ctx.get(config.certificateHeader));
}
