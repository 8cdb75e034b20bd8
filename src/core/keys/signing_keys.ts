// Signing keys: upcoming → current → retiring → gone. Private halves are stored sealed, public halves are published as a JWK Set.
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import type { Knex } from 'knex';
import { type Keyring, seal, unseal } from '../../lib/crypto.ts';
import { newId } from '../../lib/ids.ts';
import { type Columns, declareColumns, json, type Table } from '../store/columns.ts';
import { type Db, isPostgres, rows } from '../store/db.ts';
import { plusSeconds, present, readClock } from '../store/sql_time.ts';

export type SigningAlg = 'ES256' | 'EdDSA' | 'RS256';
export type SigningKeyStatus = 'upcoming' | 'current' | 'retiring';

export interface SigningKeyRow {
  kid: string;
  alg: SigningAlg;
  status: SigningKeyStatus;
  public_jwk: JWK;
  private_jwk_sealed: string;
  /** Since when the key is published. */
  created_at: Date;
  /** Since when it signs. */
  current_at: Date | null;
  /** Since when it no longer signs. */
  retiring_at: Date | null;
  /** When the last token that it signed expires, and the key may be removed. */
  expires_at: Date | null;
}

declare module 'knex/types/tables.js' {
  interface Tables {
    signing_keys: Table<SigningKeyRow>;
  }
}

declareColumns('signing_keys', {
  public_jwk: 'json',
  created_at: 'time',
  current_at: 'time',
  retiring_at: 'time',
  expires_at: 'time',
});

/** A key with its private half unsealed. */
export interface SigningKey {
  kid: string;
  alg: SigningAlg;
  status: SigningKeyStatus;
  public_jwk: JWK;
  private_jwk: JWK;
}

/** The purpose for which the sealing key is derived from the secret. */
export const signingKeyPurpose = 'signing-key';

/**
 * All keys of this deployment, the current one first. Creates the current and the upcoming key if they are missing, and
 * replaces an upcoming key of another algorithm than `alg`. Called only when a node starts: two nodes with different settings,
 * as during a rollout, would otherwise keep replacing each other's upcoming key.
 */
export async function loadSigningKeys(db: Db, keyring: Keyring, alg: SigningAlg): Promise<SigningKey[]> {
  let stored = await listSigningKeys(db);
  const has = (status: SigningKeyStatus) => stored.some((key) => key.status === status);
  if (!has('current')) await insertKey(db, await makeKey(keyring, alg, 'current'));
  const stale = stored.find((key) => key.status === 'upcoming' && key.alg !== alg);
  if (stale) await db('signing_keys').where({ kid: stale.kid, status: 'upcoming' }).delete();
  if (!has('upcoming') || stale) await insertKey(db, await makeKey(keyring, alg, 'upcoming'));
  stored = await listSigningKeys(db);
  return unsealSigningKeys(stored, keyring);
}

/** The keys of these rows, with their private halves unsealed. */
export function unsealSigningKeys(stored: SigningKeyRow[], keyring: Keyring): SigningKey[] {
  return stored.map((row) => unsealRow(row, keyring));
}

/** The rows of all keys, the current one first, then by age. */
export async function listSigningKeys(db: Db): Promise<SigningKeyRow[]> {
  const all = await db('signing_keys').orderBy('created_at', 'desc');
  return all.toSorted((a, b) => Number(b.status === 'current') - Number(a.status === 'current'));
}

export interface KeyRotation {
  alg: SigningAlg;
  /** Seconds for which a key must have been published before it signs: verifiers cache the key set for that long. */
  lead: number;
  /** Lifetime of the longest-lived token, seconds; the old key stays published for that long. */
  longest_token_ttl: number;
  /** Rotates even if the upcoming key is too young, because the current one is compromised. */
  force?: boolean;
}

export type KeyRotationOutcome =
  | { outcome: 'rotated'; kid: string }
  /** The upcoming key may sign from `ready_at` on. */
  | { outcome: 'too_young'; ready_at: Date };

/** Makes the upcoming key current, retires the current one and publishes the next, in one transaction. A concurrent rotation waits. */
export async function rotateSigningKeys(
  db: Db,
  keyring: Keyring,
  rotation: KeyRotation,
): Promise<KeyRotationOutcome> {
  const next = await makeKey(keyring, rotation.alg, 'upcoming');
  return await db.transaction(async (tx) => {
    const upcoming = await lockUpcoming(tx, rotation.lead);
    if (!upcoming) throw new Error('there is no upcoming signing key');
    if (!upcoming.is_ready && !rotation.force) return { outcome: 'too_young', ready_at: upcoming.ready_at };
    const now = present(tx);
    const expires = tx.raw(plusSeconds(tx, '?', '?'), [now, rotation.longest_token_ttl]);
    await tx('signing_keys')
      .where({ status: 'current' })
      .update({ status: 'retiring', retiring_at: now, expires_at: expires });
    await tx('signing_keys').where({ kid: upcoming.kid }).update({ status: 'current', current_at: now });
    await insertKey(tx, next);
    return { outcome: 'rotated', kid: upcoming.kid };
  });
}

interface LockedKey {
  kid: string;
  ready_at: Date;
  is_ready: boolean;
}

const lockedKeyColumns = { ready_at: 'time', is_ready: 'boolean' } as const satisfies Columns<LockedKey>;

// Locks every key, so that a second rotation waits. The keys are read by a separate statement, because the statement that
// waited for the lock does not see the upcoming key that the first rotation has inserted.
async function lockUpcoming(tx: Knex.Transaction, lead: number): Promise<LockedKey | null> {
  if (isPostgres(tx)) await tx.raw('select kid from signing_keys order by kid for update');
  const [upcoming] = await rows<LockedKey>(
    tx,
    `select kid, ${plusSeconds(tx, 'created_at', ':lead')} as ready_at, ${plusSeconds(tx, 'created_at', ':lead')} <= :now as is_ready
     from signing_keys where status = 'upcoming'`,
    { lead, now: present(tx) },
    lockedKeyColumns,
  );
  return upcoming ?? null;
}

/** Removes retiring keys whose last token has expired; returns their number. */
export async function dropExpiredKeys(db: Db): Promise<number> {
  return await db('signing_keys')
    .where({ status: 'retiring' })
    .where('expires_at', '<=', present(db))
    .delete();
}

/** Seconds since the current key began to sign; null without a current key. */
export async function currentKeyAge(db: Db): Promise<number | null> {
  const current = await db('signing_keys').where({ status: 'current' }).first('current_at', 'created_at');
  const since = current?.current_at ?? current?.created_at;
  return since ? ((await readClock(db)).getTime() - since.getTime()) / 1000 : null;
}

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

// Nodes that start at once all insert; the unique index keeps one current and one upcoming key, which all nodes then use.
async function insertKey(db: Db, key: Awaited<ReturnType<typeof makeKey>>): Promise<void> {
  const now = present(db);
  await db('signing_keys')
    .insert({ ...key, created_at: now, current_at: key.status === 'current' ? now : null })
    .onConflict()
    .ignore();
}

function unsealRow(row: SigningKeyRow, keyring: Keyring): SigningKey {
  const { kid, alg, status, public_jwk } = row;
  const private_jwk = JSON.parse(unseal(keyring, signingKeyPurpose, row.private_jwk_sealed, kid));
  return { kid, alg, status, public_jwk, private_jwk };
}
