// What a grant gets and gives. A grant is one function from an authenticated request to the token response; it exists once, and
// is entered either directly (direct_entrance.ts) or through the engine's client authentication (oidc/endpoints/own_grants.ts).
import type { X509Certificate } from 'node:crypto';
import type { Registered } from '../core/clients/client_cache.ts';
import type { Deps } from '../core/deps.ts';
import type { RequestSource } from '../core/request_source.ts';
import { unavailable } from '../core/store/database_errors.ts';
import { AppError } from '../lib/errors.ts';

/** A DPoP proof (RFC 9449, 4.3) whose signature, time, method and URL have been verified. */
export interface DpopProof {
  /** The thumbprint of its key (RFC 7638), the `jkt` of bound tokens. */
  thumbprint: string;
  jti: string;
  /**
   * Whether a statement of this request has recorded the `jti` as used. Only the first request with a `jti` may do so; a second
   * pass of the same request must not take its own record for a replay.
   */
  isSpent: boolean;
}

/** A request at the token endpoint whose client has been authenticated, from either entrance. */
export interface GrantRequest {
  /**
   * The client and the resource servers from the client cache. The statement that decides checks their version, and the grant
   * throws {@link OutdatedClient} when it is not the current one.
   */
  known: Registered;
  /** The parameters, each sent once and not empty. */
  form: Readonly<Record<string, string | undefined>>;
  /** The values of `resource` (RFC 8707), the only parameter that may be sent more than once. */
  resources: readonly string[];
  source: RequestSource;
  /** Null when the request has no header `DPoP`. */
  proof: DpopProof | null;
  /** The client's certificate as the proxy forwards it (RFC 8705), or null. */
  certificate: X509Certificate | null;
  /** Whether the client has disconnected: it would never receive a new token. */
  isGone: () => boolean;
}

/** The members of a token response (RFC 6749, 5.1). Every refusal is thrown as an AppError. */
export type Grant = (deps: Deps, request: GrantRequest) => Promise<object>;

/**
 * A client or resource server has changed since `known` was read. Nothing has been changed by then, except that the `jti` of a
 * DPoP proof may have been recorded (`isSpent`). The entrance reads the client again and repeats the grant.
 */
export class OutdatedClient extends Error {
  constructor() {
    super('the client cache is outdated');
    this.name = 'OutdatedClient';
  }
}

/** The most resource servers that one request may name. */
export const maxResources = 20;

/** How often a request is repeated while its client or other clients change: often enough for an import of clients. */
const maxTries = 20;

/**
 * Runs `work` with the client that `find` returns, and again with the new one when the client cache was outdated: `work` has
 * thrown {@link OutdatedClient}, or a refusal that an outdated client or resource server may have caused. Null when `find`
 * returns none.
 */
export async function withCurrentClient<Result>(
  { clientCache }: Pick<Deps, 'clientCache'>,
  find: () => Promise<Registered | null>,
  work: (known: Registered) => Promise<Result>,
): Promise<Result | null> {
  for (let tries = 0; tries < maxTries; tries += 1) {
    const known = await find();
    if (!known) return null;
    try {
      return await work(known);
    } catch (error) {
      const isOutdated = error instanceof OutdatedClient;
      if (!isOutdated && !isUndecided(error)) throw error;
      if (!isOutdated && (await clientCache.isCurrent(known.version))) throw error;
      clientCache.forget(known.version);
    }
  }
  throw unavailable(null);
}

// A refusal with a reason, or one that is marked, comes from a statement that compared the version, or follows one that did.
function isUndecided(error: unknown): boolean {
  if (!(error instanceof AppError) || error.status >= 500 || error.code === 'rate_limited') return false;
  return error.reason === undefined && !error.isDecided;
}
