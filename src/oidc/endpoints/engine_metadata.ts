// What this server offers to clients: methods of authentication and algorithms.

import type { Offer } from '../../core/clients/suitable_metadata.ts';
import type { Deps } from '../../core/deps.ts';

/** Algorithms by which clients may sign what they send. */
export const clientAlgs = ['ES256', 'EdDSA', 'Ed25519', 'RS256', 'PS256'] as const;

const methods = ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'] as const;

/** How clients may authenticate; by a certificate only where a proxy hands it on. */
export function authMethods({ config }: Pick<Deps, 'config'>) {
  return [...methods, ...(config.certificateHeader ? (['self_signed_tls_client_auth'] as const) : [])];
}

/** The algorithms of the keys that sign, or may still be needed to verify, now. */
export function signingAlgs({ keys }: Pick<Deps, 'keys'>): string[] {
  return [...new Set(keys.list().map(({ alg }) => alg))];
}

/** All of it, for what clients say of themselves. */
export function offerOf(deps: Pick<Deps, 'config' | 'keys'>): Offer {
  return { signingAlgs: signingAlgs(deps), clientAlgs, authMethods: authMethods(deps) };
}
