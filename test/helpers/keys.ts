// The signing keys of a database, as a node has them after its start.
import type { Knex } from 'knex';
import {
  dropUnwantedUpcoming,
  publishUpcomingKeys,
  requireCurrentKeys,
} from '../../src/core/keys/make_keys.ts';
import {
  listSigningKeys,
  type NamedAlgs,
  type SigningKey,
  unsealSigningKeys,
} from '../../src/core/keys/signing_keys.ts';
import { present } from '../../src/core/store/sql_time.ts';
import { keyring } from './builders.ts';

/** All keys, current ones first; those that are missing are made. `named` is the setting, null where it is not set. */
export async function loadKeys(db: Knex, named: NamedAlgs = null, ring = keyring): Promise<SigningKey[]> {
  const stored = await requireCurrentKeys(db, ring, named);
  await dropUnwantedUpcoming(db, named, stored);
  await publishUpcomingKeys(db, ring, named, stored);
  return unsealSigningKeys(await listSigningKeys(db), ring);
}

/** Removes the keys that every test database has, for a test of how keys are made. */
export async function removeKeys(db: Knex): Promise<void> {
  await db('signing_keys').delete();
}

/** Makes the keys of a copied database as young as the database is. */
export async function renewKeys(db: Knex): Promise<void> {
  const now = present(db);
  await db('signing_keys').update({ created_at: now });
  await db('signing_keys').where({ status: 'current' }).update({ current_at: now });
}
