// Signs JWTs with the signing keys, by node:crypto.
import { createSigner, type Signer } from '../../lib/jws.ts';
import type { SigningKey } from './signing_keys.ts';

/** The `typ` of the JWTs that are signed here; an ID token has none. */
type MediaType = 'at+jwt' | 'JWT' | undefined;

// The signers of each key by media type; the WeakMap drops them together with the key.
const signers = new WeakMap<SigningKey, Map<MediaType, Signer>>();

/** The signer of a key for JWTs of one media type. */
export function signerOf(key: SigningKey, typ: MediaType): Signer {
  const known = signers.get(key) ?? new Map<MediaType, Signer>();
  signers.set(key, known);
  const { kid, alg } = key;
  const signer = known.get(typ) ?? createSigner(key.private_jwk, { alg, kid, ...(typ ? { typ } : {}) });
  known.set(typ, signer);
  return signer;
}
