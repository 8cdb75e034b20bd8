// Rotation of signing keys, as the settings and the registered token lifetimes require.

import type { Config } from '../../../config/index.ts';
import { recordEvents } from '../audit/audit.ts';
import type { Deps } from '../deps.ts';
import { currentKeyAge, dropExpiredKeys, type KeyRotation } from '../keys/signing_keys.ts';
import type { Db } from '../store/db.ts';
import type { Initiator } from './initiator.ts';

// A node may have signed with the old key while it was being retired.
const leeway = 60;

/** The rotation of this deployment: the old key stays published as long as the longest-lived token may live. */
export async function keyRotation(db: Db, config: Config, force = false): Promise<KeyRotation> {
  const registered = await Promise.all([longest(db, 'clients'), longest(db, 'resource_servers')]);
  return {
    alg: config.signingAlg,
    lead: config.signingKeyLead,
    longest_token_ttl: Math.max(config.accessTokenTtl, ...registered) + leeway,
    force,
  };
}

/** The outcome of a check of the keys. `kid` is the key that signs now. */
export interface KeyUpkeep {
  outcome: 'rotated' | 'not_due' | 'too_young';
  kid: string;
  /** From when on the upcoming key may sign, when it is too young. */
  ready_at?: Date;
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
  if (result.outcome === 'too_young') {
    if (dropped > 0) await keys.refresh();
    return { ...result, kid: keys.current().kid, dropped };
  }
  await recordEvents(db, [
    { type: 'signing_key_rotated', ...by, detail: { kid: result.kid, force }, ...source },
  ]);
  return { ...result, dropped };
}

/** The same when the current key has signed for `SIGNING_KEY_TTL`; before that it only removes old keys. */
export async function keepKeys(opened: Opened, { dryRun = false } = {}): Promise<KeyUpkeep> {
  const { db, config, keys } = opened;
  const isDue = ((await currentKeyAge(db)) ?? 0) >= config.signingKeyTtl;
  if (dryRun) return { outcome: isDue ? 'rotated' : 'not_due', kid: keys.current().kid, dropped: 0 };
  if (isDue) return await rotateKeys(opened, { actor: 'system' });
  const dropped = await dropExpiredKeys(db);
  if (dropped > 0) await keys.refresh();
  return { outcome: 'not_due', kid: keys.current().kid, dropped };
}

async function longest(db: Db, table: 'clients' | 'resource_servers'): Promise<number> {
  const row = await db(table).max<{ ttl: number | null }>({ ttl: 'access_token_ttl' }).first();
  return row?.ttl ?? 0;
}
