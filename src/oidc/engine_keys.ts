// The signing keys as the engine gets them: it says what to sign, and node:crypto signs. WebCrypto, which the engine itself uses,
// takes three times as long.
import { createPublicKey, type KeyObject } from 'node:crypto';
import { ExternalSigningKey } from 'oidc-provider';
import type { SigningKey } from '../core/keys/signing_keys.ts';
import { createDataSigner } from '../lib/jws.ts';

class EngineKey extends ExternalSigningKey {
  readonly #key: SigningKey;
  readonly #public: KeyObject;
  override readonly sign: (data: Uint8Array) => Uint8Array | Promise<Uint8Array>;

  constructor(key: SigningKey) {
    super();
    this.#key = key;
    this.#public = createPublicKey({ key: key.public_jwk, format: 'jwk' });
    this.sign = createDataSigner(key.private_jwk, key.alg);
  }

  override get kid(): string {
    return this.#key.kid;
  }

  override get alg(): string {
    return this.#key.alg;
  }

  override keyObject(): KeyObject {
    return this.#public;
  }
}

/** A signing key for the engine's `jwks`. */
export function engineKey(key: SigningKey): ExternalSigningKey {
  return new EngineKey(key);
}
