// Seals the signing keys under another secret: one step of replacing KINDRED_SECRET.
import type { Knex } from 'knex';
import { type Keyring, seal, sealingKeyId, unseal } from '../../lib/crypto.ts';
import { listSigningKeys, type SigningKeyRow, signingKeyPurpose } from './signing_keys.ts';

export interface Reencryption {
  reencrypted: number;
  /** Keys that were already sealed under the first secret. */
  unchanged: number;
}

/**
 * Seals every signing key under the first secret of the list, all or none; it may be repeated. Throws for a key that none of
 * the secrets opens: no node could sign with it once its secret is gone.
 */
export async function reencryptSigningKeys(db: Knex, keyring: Keyring): Promise<Reencryption> {
  return await db.transaction(async (tx) => {
    const keys = await listSigningKeys(tx);
    const stale = keys.filter((key) => !isSealedUnderFirst(key, keyring));
    for (const { kid, private_jwk_sealed } of stale) {
      const plain = unseal(keyring, signingKeyPurpose, private_jwk_sealed, kid);
      // Only if the row is still as it was read: a rotation on another node may have changed it.
      await tx('signing_keys')
        .where({ kid, private_jwk_sealed })
        .update({ private_jwk_sealed: seal(keyring, signingKeyPurpose, plain, kid) });
    }
    return { reencrypted: stale.length, unchanged: keys.length - stale.length };
  });
}

/** Whether a key would still open with the first secret alone. */
export function isSealedUnderFirst(
  { private_jwk_sealed }: Pick<SigningKeyRow, 'private_jwk_sealed'>,
  keyring: Keyring,
): boolean {
  return sealingKeyId(private_jwk_sealed) === keyring.current.id;
}

/** Whether any secret of the list opens a key. */
export function canUnseal({ kid, private_jwk_sealed }: SigningKeyRow, keyring: Keyring): boolean {
  try {
    unseal(keyring, signingKeyPurpose, private_jwk_sealed, kid);
    return true;
  } catch {
    return false;
  }
}
