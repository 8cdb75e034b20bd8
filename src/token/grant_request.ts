// What a grant gets of a request, read alike at both entrances.
import type { Context } from 'koa';
import type { Deps } from '../core/deps.ts';
import { requestSourceOf } from '../core/request_source.ts';
import { readCertificateOf } from './certificate.ts';
import { readProof } from './dpop.ts';
import type { GrantRequest } from './grant.ts';

/** A request without its client, which may change between two passes. */
export type ClientlessRequest = Omit<GrantRequest, 'known'>;

/**
 * Reads a request whose parameters have been read. Call it once for each request, because of `isSpent` in its
 * proof. Throws `invalid_dpop_proof`.
 */
export function readGrantRequest(
  deps: Pick<Deps, 'config' | 'clock'>,
  ctx: Pick<Context, 'get' | 'ip' | 'method' | 'path' | 'state' | 'writable'>,
  parameters: Pick<GrantRequest, 'form' | 'resources'>,
): ClientlessRequest {
  return {
    ...parameters,
    source: requestSourceOf(ctx),
    proof: readProof(deps, ctx),
    certificate: readCertificateOf(deps, ctx),
    isGone: () => !ctx.writable,
  };
}
