// Signs access tokens (RFC 9068) with the current signing key for the fast entrance; the engine signs its own tokens.
import { createSigner, type Signer } from '../../lib/jws.ts';
import { takeRandom } from '../../lib/random.ts';
import type { KeyStore } from '../keys/key_store.ts';
import type { SigningKey } from '../keys/signing_keys.ts';

// One signer for each key; the WeakMap drops it together with the key.
const signers = new WeakMap<SigningKey, Signer>();

/** Signs an access token with these claims, `iat`, `exp` and a new `jti`; `now` and `ttl` in seconds. */
export function signAccessToken(
  keys: Pick<KeyStore, 'current'>,
  claims: Record<string, unknown>,
  { now, ttl }: { now: number; ttl: number },
): string {
  const jti = takeRandom(32).toString('base64url');
  return signerOf(keys.current())({ ...claims, jti, iat: now, exp: now + ttl });
}

function signerOf(key: SigningKey): Signer {
  const { kid, alg } = key;
  const signer = signers.get(key) ?? createSigner(key.private_jwk, { alg, kid, typ: 'at+jwt' });
  signers.set(key, signer);
  return signer;
}
