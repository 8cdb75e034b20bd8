// By which algorithm the server signs what it answers to a client: ID tokens, logout tokens, signed introspection and userinfo.
import type { JwsAlg, SigningAlgs } from '../../lib/jws.ts';
import type { Client } from './clients.ts';
import { isFapi2 } from './security_profile.ts';

/** A client as far as its algorithms follow from it. */
type Asking = Pick<Client, 'first_party' | 'metadata'>;

/**
 * The algorithm of ID tokens and logout tokens: what the client asks for (`id_token_signed_response_alg`), else its default.
 * A client goes on with its default when no key has its algorithm any more.
 */
export function idTokenAlg({ first_party, metadata }: Asking, algs: SigningAlgs): JwsAlg {
  const asked = metadata.id_token_signed_response_alg;
  return algs.signable.find((alg) => alg === asked) ?? defaultAlg({ first_party, metadata }, algs);
}

/** The algorithms of all signed answers to a client, by the members of its metadata that ask for them. */
export function responseAlgs(client: Asking, algs: SigningAlgs) {
  const ofIdTokens = idTokenAlg(client, algs);
  const orOfIdTokens = (asked: string | undefined) =>
    algs.signable.find((alg) => alg === asked) ?? ofIdTokens;
  const { introspection_signed_response_alg, userinfo_signed_response_alg } = client.metadata;
  return {
    id_token_signed_response_alg: ofIdTokens,
    introspection_signed_response_alg: orOfIdTokens(introspection_signed_response_alg),
    // Userinfo is signed only for a client that asks for it (Core 1.0, 5.3.2).
    ...(userinfo_signed_response_alg
      ? { userinfo_signed_response_alg: orOfIdTokens(userinfo_signed_response_alg) }
      : {}),
  };
}

// A client that asks for no algorithm gets RS256, as OpenID Connect has it (Registration 1.0, 2), a first-party client and one of
// FAPI 2.0, which forbids RS256 (Security Profile, 5.4), ES256. Where that is not offered, it is the first that is.
function defaultAlg({ first_party, metadata }: Asking, { offered }: SigningAlgs): JwsAlg {
  const forOthers: JwsAlg[] = [first_party ? 'ES256' : 'RS256'];
  const preferred: JwsAlg[] = isFapi2(metadata) ? ['ES256', 'PS256', 'EdDSA'] : forOthers;
  return preferred.find((alg) => offered.includes(alg)) ?? offered[0];
}
