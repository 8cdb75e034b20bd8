// Signing keys: upcoming → current → retiring → gone, of each algorithm. Private halves are stored sealed, public halves are
// published as a JWK Set.
import type { JWK } from 'jose';
import { type Keyring, unseal } from '../../lib/crypto.ts';
import type { JwsAlg } from '../../lib/jws.ts';
import { declareColumns, type Table } from '../store/columns.ts';
import type { Db } from '../store/db.ts';
import { present, readClock } from '../store/sql_time.ts';

export type SigningAlg = JwsAlg;
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

/** The algorithms of `SIGNING_ALG` in its order, or null where it is not set. */
export type NamedAlgs = readonly SigningAlg[] | null;

/** The algorithms of a new database; RS256 is the default of OpenID Connect (Registration 1.0, 2). */
const defaultAlgs: readonly SigningAlg[] = ['ES256', 'RS256'];
const knownAlgs: readonly SigningAlg[] = [...defaultAlgs, 'EdDSA', 'PS256'];

/**
 * The algorithms by which the server is to sign, the one of access tokens first. Where none is named, a database that has keys
 * keeps its own: a node of the previous version beside this one handles one algorithm.
 */
export function wantedAlgs(
  keys: readonly Pick<SigningKeyRow, 'alg' | 'status'>[],
  named: NamedAlgs,
): readonly SigningAlg[] {
  if (named) return named;
  const kept = knownAlgs.filter((alg) => keys.some((key) => key.alg === alg && key.status !== 'retiring'));
  return kept.length > 0 ? kept : defaultAlgs;
}

/** The algorithms of the keys that sign or have signed: tokens and clients know them. */
export function algsInUse(keys: readonly Pick<SigningKeyRow, 'alg' | 'status'>[]): SigningAlg[] {
  return [...new Set(keys.filter(({ status }) => status !== 'upcoming').map(({ alg }) => alg))];
}

/** The keys of these rows, with their private halves unsealed. */
export function unsealSigningKeys(stored: SigningKeyRow[], keyring: Keyring): SigningKey[] {
  return stored.map((row) => unsealRow(row, keyring));
}

/** The rows of all keys, the current ones first, then by age; of the same age in the order of the algorithms. */
export async function listSigningKeys(db: Db): Promise<SigningKeyRow[]> {
  const all = await db('signing_keys').orderBy('created_at', 'desc').orderBy('kid');
  const rank = ({ status }: SigningKeyRow) => Number(status === 'current');
  return all.toSorted(
    (a, b) =>
      rank(b) - rank(a) ||
      b.created_at.getTime() - a.created_at.getTime() ||
      knownAlgs.indexOf(a.alg) - knownAlgs.indexOf(b.alg),
  );
}

/** Removes retiring keys whose last token has expired; returns their number. */
export async function dropExpiredKeys(db: Db): Promise<number> {
  return await db('signing_keys')
    .where({ status: 'retiring' })
    .where('expires_at', '<=', present(db))
    .delete();
}

/** Seconds since the oldest of the current keys began to sign; null without a current key. */
export async function currentKeyAge(db: Db): Promise<number | null> {
  const current = await db('signing_keys').where({ status: 'current' }).select('current_at', 'created_at');
  if (current.length === 0) return null;
  const since = Math.min(...current.map((key) => (key.current_at ?? key.created_at).getTime()));
  return ((await readClock(db)).getTime() - since) / 1000;
}

function unsealRow(row: SigningKeyRow, keyring: Keyring): SigningKey {
  const { kid, alg, status, public_jwk } = row;
  const private_jwk = JSON.parse(unseal(keyring, signingKeyPurpose, row.private_jwk_sealed, kid));
  return { kid, alg, status, public_jwk, private_jwk };
}
