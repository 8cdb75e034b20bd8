// Signing keys: kept encrypted in the database, opened in memory, published as a JWK Set.
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { type Keyring, seal, unseal } from '../lib/crypto.ts';
import { newId } from '../lib/ids.ts';
import { type Db, json, present } from './db.ts';

export type SigningAlg = 'ES256' | 'EdDSA' | 'RS256';

interface SigningKeyRow {
  kid: string;
  alg: SigningAlg;
  status: 'upcoming' | 'current' | 'retiring';
  public_jwk: JWK;
  private_jwk_sealed: string;
  created_at: Date;
  current_at: Date | null;
  retiring_at: Date | null;
}

/** A key whose private half is open. */
export interface SigningKey {
  kid: string;
  alg: SigningAlg;
  status: SigningKeyRow['status'];
  public_jwk: JWK;
  private_jwk: JWK;
}

const purpose = 'signing-key';

/** All keys of this deployment, the current one first; makes the first one when there is none. */
export async function loadSigningKeys(db: Db, keyring: Keyring, alg: SigningAlg): Promise<SigningKey[]> {
  let stored = await listKeys(db);
  if (!stored.some((key) => key.status === 'current')) {
    await createKey(db, keyring, alg);
    stored = await listKeys(db);
  }
  return stored.map((row) => open(row, keyring));
}

async function listKeys(db: Db): Promise<SigningKeyRow[]> {
  const all = await db<SigningKeyRow>('signing_keys').orderBy('created_at', 'desc');
  return all.toSorted((a, b) => Number(b.status === 'current') - Number(a.status === 'current'));
}

// Nodes that start at once all try; the unique index lets one key be the current one, and all of them use that.
async function createKey(db: Db, keyring: Keyring, alg: SigningAlg): Promise<void> {
  const kid = newId();
  const pair = await generateKeyPair(alg, {
    extractable: true,
    ...(alg === 'EdDSA' ? { crv: 'Ed25519' } : {}),
  });
  const shared = { kid, alg, use: 'sig' };
  const row = {
    kid,
    alg,
    status: 'current',
    public_jwk: json({ ...(await exportJWK(pair.publicKey)), ...shared }),
    private_jwk_sealed: seal(
      keyring,
      purpose,
      json({ ...(await exportJWK(pair.privateKey)), ...shared }),
      kid,
    ),
    created_at: present(db),
    current_at: present(db),
  };
  await db('signing_keys').insert(row).onConflict().ignore();
}

function open(row: SigningKeyRow, keyring: Keyring): SigningKey {
  const { kid, alg, status, public_jwk } = row;
  return {
    kid,
    alg,
    status,
    public_jwk,
    private_jwk: JSON.parse(unseal(keyring, purpose, row.private_jwk_sealed, kid)),
  };
}
