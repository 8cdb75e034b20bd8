// How signing keys are rotated here: what the settings and the registered lifetimes say.
import type { Config } from '../../config/index.ts';
import type { Db } from './db.ts';
import type { KeyRotation } from './signing_keys.ts';

// A node may have signed with the old key while it was being retired.
const leeway = 60;

/** The rotation of this deployment; the old key stays published as long as the longest-lived token may live. */
export async function keyRotation(db: Db, config: Config, force = false): Promise<KeyRotation> {
  const registered = await Promise.all([longest(db, 'clients'), longest(db, 'resource_servers')]);
  return {
    alg: config.signingAlg,
    lead: config.signingKeyLead,
    longest_token_ttl: Math.max(config.accessTokenTtl, ...registered) + leeway,
    force,
  };
}

async function longest(db: Db, table: 'clients' | 'resource_servers'): Promise<number> {
  const row = await db(table).max<{ ttl: number | null }>({ ttl: 'access_token_ttl' }).first();
  return row?.ttl ?? 0;
}
