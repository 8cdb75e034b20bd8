// Rotation of signing keys, as the settings and the registered token lifetimes require.

import type { Config } from '../../../config/index.ts';
import { recordEvents } from '../audit/audit.ts';
import { findUnservedClients, type UnservedClients } from '../clients/unserved_clients.ts';
import type { Deps } from '../deps.ts';
import { type KeyRotation, type KeyRotationOutcome, planRotation } from '../keys/rotate_keys.ts';
import { algsInUse, currentKeyAge, dropExpiredKeys } from '../keys/signing_keys.ts';
import type { Db } from '../store/db.ts';
import type { Initiator } from './initiator.ts';

// A node may have signed with the old key while it was being retired.
const leeway = 60;

/** The rotation of this deployment: the old key stays published as long as the longest-lived token may live. */
export async function keyRotation(db: Db, config: Config, force = false): Promise<KeyRotation> {
  const registered = await Promise.all([longest(db, 'clients'), longest(db, 'resource_servers')]);
  return {
    algs: config.signingAlgs,
    lead: config.signingKeyLead,
    longest_token_ttl: Math.max(config.accessTokenTtl, ...registered) + leeway,
    force,
  };
}

/** The outcome of a check of the keys. `kid` is the key that signs access tokens now. */
export interface KeyUpkeep {
  outcome: 'rotated' | 'not_due' | 'too_young';
  kid: string;
  /** The keys that began to sign. */
  keys?: Extract<KeyRotationOutcome, { outcome: 'rotated' }>['keys'];
  /** From when on the upcoming key may sign, when it is too young. */
  ready_at?: Date;
  /** The clients whose algorithm the server no longer offers. */
  unserved?: UnservedClients;
  /** Keys that were removed, the last token that they signed having expired. */
  dropped: number;
}

type Opened = Pick<Deps, 'db' | 'config' | 'keys'>;

/** Rotates the signing key, records who did it, and removes the keys that no valid token needs any more. */
export async function rotateKeys(
  { db, config, keys }: Opened,
  { source, ...by }: Initiator,
  { force = false } = {},
): Promise<KeyUpkeep> {
  const dropped = await dropExpiredKeys(db);
  const result = await keys.rotate(await keyRotation(db, config, force));
  if (result.outcome === 'too_young') return { ...result, kid: keys.ofAccessTokens().kid, dropped };
  const detail = { kid: result.kid, force, keys: result.keys };
  await recordEvents(db, [{ type: 'signing_key_rotated', ...by, detail, ...source }]);
  const unserved = await findUnservedClients(db, keys.algs().offered, algsInUse(keys.list()));
  return { ...result, dropped, ...(unserved.clients.length > 0 ? { unserved } : {}) };
}

/**
 * The same when a key has signed for `SIGNING_KEY_TTL`, or when an algorithm that came to `SIGNING_ALG` may begin to sign; else it
 * only removes old keys and publishes missing ones.
 */
export async function keepKeys(opened: Opened, { dryRun = false } = {}): Promise<KeyUpkeep> {
  const { db, config, keys } = opened;
  const isOld = ((await currentKeyAge(db)) ?? 0) >= config.signingKeyTtl;
  const isDue =
    isOld || (await planRotation(db, { algs: config.signingAlgs, lead: config.signingKeyLead })).isAlgWaiting;
  if (dryRun) return { outcome: isDue ? 'rotated' : 'not_due', kid: keys.ofAccessTokens().kid, dropped: 0 };
  if (isDue) return await rotateKeys(opened, { actor: 'system' });
  await keys.publishMissing();
  const dropped = await dropExpiredKeys(db);
  if (dropped > 0) await keys.refresh();
  return { outcome: 'not_due', kid: keys.ofAccessTokens().kid, dropped };
}

async function longest(db: Db, table: 'clients' | 'resource_servers'): Promise<number> {
  const row = await db(table).max<{ ttl: number | null }>({ ttl: 'access_token_ttl' }).first();
  return row?.ttl ?? 0;
}
