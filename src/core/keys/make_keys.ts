// Makes the signing keys that are missing. Keys are made at the same time and off the main thread: an RSA key takes a second.
import { exportJWK, generateKeyPair } from 'jose';
import { type Keyring, seal } from '../../lib/crypto.ts';
import { newId } from '../../lib/ids.ts';
import { json } from '../store/columns.ts';
import type { Db } from '../store/db.ts';
import { present } from '../store/sql_time.ts';
import {
  listSigningKeys,
  type NamedAlgs,
  type SigningAlg,
  type SigningKeyRow,
  type SigningKeyStatus,
  signingKeyPurpose,
  wantedAlgs,
} from './signing_keys.ts';

/** The rows of all keys. Where no key is current, as in a new database, a current one of each algorithm is made. */
export async function requireCurrentKeys(
  db: Db,
  keyring: Keyring,
  named: NamedAlgs,
): Promise<SigningKeyRow[]> {
  const stored = await listSigningKeys(db);
  if (stored.some(({ status }) => status === 'current')) return stored;
  await insertKeys(db, await makeKeys(keyring, wantedAlgs(stored, named), 'current'));
  return await listSigningKeys(db);
}

/** The algorithms that are to sign and have no upcoming key. */
export function findMissing(stored: readonly SigningKeyRow[], named: NamedAlgs): SigningAlg[] {
  const has = new Set(stored.filter(({ status }) => status === 'upcoming').map(({ alg }) => alg));
  return wantedAlgs(stored, named).filter((alg) => !has.has(alg));
}

/** Publishes the upcoming keys that are missing in these rows; false where none is. */
export async function publishUpcomingKeys(
  db: Db,
  keyring: Keyring,
  named: NamedAlgs,
  stored: readonly SigningKeyRow[],
): Promise<boolean> {
  const missing = findMissing(stored, named);
  if (missing.length === 0) return false;
  await insertKeys(db, await makeKeys(keyring, missing, 'upcoming'));
  return true;
}

/**
 * Removes upcoming keys whose algorithm is no longer to sign. Called only when a node starts: two nodes with different settings,
 * as during a rollout, would otherwise keep removing each other's keys.
 */
export async function dropUnwantedUpcoming(
  db: Db,
  named: NamedAlgs,
  stored: readonly SigningKeyRow[],
): Promise<boolean> {
  const wanted = wantedAlgs(stored, named);
  const kids = stored
    .filter(({ status, alg }) => status === 'upcoming' && !wanted.includes(alg))
    .map(({ kid }) => kid);
  if (kids.length === 0) return false;
  return (await db('signing_keys').whereIn('kid', kids).where({ status: 'upcoming' }).delete()) > 0;
}

/** A new key for each algorithm, to be inserted with {@link insertKeys}. */
export async function makeKeys(keyring: Keyring, algs: readonly SigningAlg[], status: SigningKeyStatus) {
  return await Promise.all(algs.map((alg) => makeKey(keyring, alg, status)));
}

type NewKey = Awaited<ReturnType<typeof makeKey>>;

async function makeKey(keyring: Keyring, alg: SigningAlg, status: SigningKeyStatus) {
  const kid = newId();
  const pair = await generateKeyPair(alg, {
    extractable: true,
    ...(alg === 'EdDSA' ? { crv: 'Ed25519' } : {}),
  });
  const shared = { kid, alg, use: 'sig' };
  const private_jwk = json({ ...(await exportJWK(pair.privateKey)), ...shared });
  return {
    kid,
    alg,
    status,
    public_jwk: json({ ...(await exportJWK(pair.publicKey)), ...shared }),
    private_jwk_sealed: seal(keyring, signingKeyPurpose, private_jwk, kid),
  };
}

/**
 * Inserts all keys by one statement, so that no node ever sees a part of them. Nodes that start at once all insert; the unique
 * index keeps one current and one upcoming key of each algorithm, which all nodes then use. In one order on all nodes, because each
 * waits for the rows of the others: with the algorithms in different orders two of them would wait for one another.
 */
export async function insertKeys(db: Db, keys: NewKey[]): Promise<void> {
  const now = present(db);
  const ordered = keys.toSorted((a, b) => (a.alg < b.alg ? -1 : 1));
  await db('signing_keys')
    .insert(
      ordered.map((key) => ({ ...key, created_at: now, current_at: key.status === 'current' ? now : null })),
    )
    .onConflict()
    .ignore();
}
