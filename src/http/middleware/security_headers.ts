// The security headers of every answer, by helmet.
import { IncomingMessage, type OutgoingHttpHeader, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import helmet from 'helmet';
import type { Middleware } from 'koa';
import type { Config } from '../../../config/index.ts';

/** Sets the security headers. They are the same for every answer, so helmet computes them once. */
export function setSecurityHeaders({ issuer }: Config): Middleware {
  const isSecure = issuer.startsWith('https:');
  const headers = headersOf(
    helmet({
      strictTransportSecurity: isSecure,
      contentSecurityPolicy: {
        useDefaults: false,
        directives: { defaultSrc: ["'none'"], scriptSrc: ["'self'"], frameAncestors: ["'none'"] },
      },
      // With `no-referrer` browsers send `Origin: null` with our own forms, and the check of their origin would refuse them.
      referrerPolicy: { policy: 'same-origin' },
      crossOriginResourcePolicy: { policy: 'cross-origin' },
      // Only Internet Explorer, Flash and Chrome before 78 read these.
      xDownloadOptions: false,
      xPermittedCrossDomainPolicies: false,
      xXssProtection: false,
      xDnsPrefetchControl: false,
    }),
  );
  return (ctx, next) => {
    for (const [name, value] of headers) ctx.res.setHeader(name, value);
    return next();
  };
}

function headersOf(apply: ReturnType<typeof helmet>): [string, OutgoingHttpHeader][] {
  const response = new ServerResponse(new IncomingMessage(new Socket()));
  apply(response.req, response, () => {});
  return response.getHeaderNames().map((name) => [name, response.getHeader(name) ?? '']);
}
