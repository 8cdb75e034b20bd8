// Signing keys: upcoming → current → retiring → gone. Kept encrypted in the database, published as a JWK Set.
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
  /** Published since. */
  created_at: Date;
  /** Signs since. */
  current_at: Date | null;
  /** Signs no more since. */
  retiring_at: Date | null;
  /** When the last token that it signed has expired, and it may go. */
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

/** A key whose private half is open. */
export interface SigningKey {
  kid: string;
  alg: SigningAlg;
  status: SigningKeyStatus;
  public_jwk: JWK;
  private_jwk: JWK;
}

/** What the key that seals them is derived for. */
export const signingKeyPurpose = 'signing-key';

/**
 * All keys of this deployment, the current one first. Makes the current key when there is none, and the upcoming one,
 * which is published long before it signs; an upcoming key of another algorithm than `alg` is replaced. For the start of
 * a node alone: two whose settings differ, as while a change is rolled out, would replace each other's key for ever.
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

/** The keys of these rows, their private halves open. */
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
  /** Seconds for which a key must have been published before it signs: verifiers cache the key set that long. */
  lead: number;
  /** Seconds that the longest-lived token lives: so long the old key stays published. */
  longest_token_ttl: number;
  /** Rotate although the upcoming key is too young: the current one is compromised. */
  force?: boolean;
}

export type KeyRotationOutcome =
  | { outcome: 'rotated'; kid: string }
  /** The upcoming key may sign from `ready_at` on. */
  | { outcome: 'too_young'; ready_at: Date };

/** Lets the upcoming key sign, retires the current one and publishes the next. One transaction; of two at once one waits. */
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

// Locks every key, so that a second rotation waits; reads them in a statement of its own, because one that waited for
// the lock does not see the upcoming key that the first one has inserted meanwhile.
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

/** Removes retiring keys whose last token has expired; returns how many. */
export async function dropExpiredKeys(db: Db): Promise<number> {
  return await db('signing_keys')
    .where({ status: 'retiring' })
    .where('expires_at', '<=', present(db))
    .delete();
}

/** Seconds since the current key began to sign; null when there is none. */
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

// Nodes that start at once all try; the unique index lets one key be current and one upcoming, and all use those.
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
