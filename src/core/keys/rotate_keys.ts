// The rotation of the signing keys of all algorithms, in one transaction.
import type { Knex } from 'knex';
import type { Keyring } from '../../lib/crypto.ts';
import type { Columns } from '../store/columns.ts';
import { type Db, isPostgres, rows } from '../store/db.ts';
import { plusSeconds, present } from '../store/sql_time.ts';
import { findMissing, insertKeys, makeKeys, publishUpcomingKeys } from './make_keys.ts';
import {
  listSigningKeys,
  type NamedAlgs,
  type SigningAlg,
  type SigningKeyStatus,
  wantedAlgs,
} from './signing_keys.ts';

export interface KeyRotation {
  algs: NamedAlgs;
  /** Seconds for which a key must have been published before it signs: verifiers cache the key set for that long. */
  lead: number;
  /** Lifetime of the longest-lived token, seconds; the old key stays published for that long. */
  longest_token_ttl: number;
  /** Rotates even if the upcoming keys are too young, because the current ones are compromised. */
  force?: boolean;
}

export type KeyRotationOutcome =
  /** `kid` is the key that signs access tokens now, `keys` are all that began to sign. */
  | { outcome: 'rotated'; kid: string; keys: { kid: string; alg: SigningAlg }[] }
  /** No upcoming key may sign before `ready_at`. */
  | { outcome: 'too_young'; ready_at: Date };

/**
 * Makes the upcoming key of every algorithm current that has been published for long enough, retires the keys that these
 * replace and those of algorithms that are no longer to sign, and publishes the next ones. A concurrent rotation waits.
 */
export async function rotateSigningKeys(
  db: Db,
  keyring: Keyring,
  rotation: KeyRotation,
): Promise<KeyRotationOutcome> {
  const stored = await listSigningKeys(db);
  if (findMissing(stored, rotation.algs).length > 0)
    await publishUpcomingKeys(db, keyring, rotation.algs, stored);
  // Made before the transaction, which would otherwise hold its locks while an RSA key is made.
  const { moving, ready_at } = plan(await readKeys(db, rotation.lead), rotation);
  if (moving.length === 0) return { outcome: 'too_young', ready_at };
  const algs = moving.map(({ alg }) => alg);
  const next = await makeKeys(keyring, algs, 'upcoming');
  return await db.transaction(async (tx) => {
    await lockKeys(tx);
    const keys = await readKeys(tx, rotation.lead);
    const planned = plan(keys, rotation);
    const ripe = planned.moving.filter(({ alg }) => algs.includes(alg));
    if (ripe.length === 0) return { outcome: 'too_young', ready_at: planned.ready_at };
    await retire(tx, [...ripe.map(({ alg }) => alg), ...planned.unwanted], rotation);
    const kids = ripe.map(({ kid }) => kid);
    const current_at = present(tx);
    await tx('signing_keys').whereIn('kid', kids).update({ status: 'current', current_at });
    await tx('signing_keys').where({ status: 'upcoming' }).whereIn('alg', planned.unwanted).delete();
    await insertKeys(
      tx,
      next.filter(({ alg }) => ripe.some((key) => key.alg === alg)),
    );
    const stay = keys.filter(({ status }) => status === 'current');
    const [kid] = planned.wanted.flatMap(
      (alg) => [...ripe, ...stay].find((key) => key.alg === alg)?.kid ?? [],
    );
    if (kid === undefined) throw new Error('no key signs after the rotation');
    return { outcome: 'rotated', kid, keys: ripe.map((key) => ({ kid: key.kid, alg: key.alg })) };
  });
}

/** What a rotation would do now: the keys that would begin to sign, and from when on the first one may. */
export async function planRotation(db: Db, { algs, lead }: Pick<KeyRotation, 'algs' | 'lead'>) {
  const keys = await readKeys(db, lead);
  const { wanted, moving, ready_at } = plan(keys, { algs });
  const isNew = ({ alg }: KeyState) => !keys.some((key) => key.status === 'current' && key.alg === alg);
  return {
    wanted,
    keys: moving.map(({ kid, alg }) => ({ kid, alg })),
    ready_at,
    /** Whether an algorithm that is to sign has no current key yet, and its upcoming one may sign. */
    isAlgWaiting: moving.some(isNew),
  };
}

interface KeyState {
  kid: string;
  alg: SigningAlg;
  status: SigningKeyStatus;
  ready_at: Date;
  is_ready: boolean;
}

const stateColumns = { ready_at: 'time', is_ready: 'boolean' } as const satisfies Columns<KeyState>;

function plan(keys: KeyState[], { algs, force = false }: Pick<KeyRotation, 'algs' | 'force'>) {
  const wanted = wantedAlgs(keys, algs);
  // In the order of the setting.
  const upcoming = wanted.flatMap((alg) =>
    keys.filter((key) => key.status === 'upcoming' && key.alg === alg),
  );
  return {
    wanted,
    unwanted: [...new Set(keys.map(({ alg }) => alg))].filter((alg) => !wanted.includes(alg)),
    moving: upcoming.filter(({ is_ready }) => is_ready || force),
    ready_at: new Date(Math.min(...upcoming.map(({ ready_at }) => ready_at.getTime()))),
  };
}

async function readKeys(db: Db, lead: number): Promise<KeyState[]> {
  const ready = plusSeconds(db, 'created_at', ':lead');
  return await rows<KeyState>(
    db,
    `select kid, alg, status, ${ready} as ready_at, ${ready} <= :now as is_ready
     from signing_keys where status <> 'retiring' order by kid`,
    { lead, now: present(db) },
    stateColumns,
  );
}

// A second rotation waits here. The keys are read by a separate statement, because the statement that waited for the lock does
// not see the upcoming keys that the first rotation has inserted.
async function lockKeys(tx: Knex.Transaction): Promise<void> {
  if (isPostgres(tx)) await tx.raw('select kid from signing_keys order by kid for update');
}

async function retire(
  tx: Knex.Transaction,
  algs: SigningAlg[],
  { longest_token_ttl }: Pick<KeyRotation, 'longest_token_ttl'>,
): Promise<void> {
  const now = present(tx);
  const expires_at = tx.raw(plusSeconds(tx, '?', '?'), [now, longest_token_ttl]);
  await tx('signing_keys')
    .where({ status: 'current' })
    .whereIn('alg', algs)
    .update({ status: 'retiring', retiring_at: now, expires_at });
}
