// What a process opens once and hands to everything above: database, keys, audit trail, limits, log.
import type { Knex } from 'knex';
import type { Config } from '../../config/index.ts';
import { createKeyring, type Keyring } from '../lib/crypto.ts';
import { createLog, type Log } from '../lib/log.ts';
import { createMetrics, type Metrics } from '../lib/metrics.ts';
import { type AccessTokenVerifier, createAccessTokenVerifier } from './access_tokens/access_tokens.ts';
import { setEventClock } from './audit/audit.ts';
import { type AuditBatch, createAuditBatch } from './audit/audit_batch.ts';
import { type ClientCache, openClientCache } from './clients/client_cache.ts';
import { type KeyStore, openKeyStore } from './keys/key_store.ts';
import { openRateLimits, type RateLimits } from './limits/rate_limits.ts';
import { type Clock, openClock } from './store/clock.ts';
import { openDatabase } from './store/db.ts';
import './tables.ts';
import { openNodeNotices } from './store/node_notices.ts';

export interface Deps {
  config: Config;
  db: Knex;
  /** What time it is wherever that decides or goes into a token. */
  clock: Clock;
  keyring: Keyring;
  keys: KeyStore;
  verifier: AccessTokenVerifier;
  clientCache: ClientCache;
  limits: RateLimits;
  audit: AuditBatch;
  log: Log;
  metrics: Metrics;
  /** Writes what waits and closes what was opened. */
  close: () => Promise<void>;
}

/** Milliseconds. No statement of ours takes as long: what is large is done in batches, what is slow has its own limit. */
const silence = 30_000;

/** Opens the log as the settings say. */
export function openLog(config: Config): Log {
  return createLog({
    level: config.logLevel,
    pretty: config.env === 'development' && process.stdout.isTTY,
    pid: config.workers > 1,
  });
}

/** Opens everything on a database that has been migrated; makes the first signing key when there is none. */
export async function openDeps(config: Config): Promise<Deps> {
  const log = openLog(config);
  const db = openDatabase(config.databaseUrl, { pool: config.databasePool, silence });
  const notices = openNodeNotices(config.databaseDirectUrl, log);
  try {
    const clock = await openClock(db, log);
    setEventClock(db, clock.now);
    const metrics = createMetrics();
    const keyring = createKeyring(config.secrets);
    const keys = await openKeyStore(db, keyring, config.signingAlg, notices);
    const audit = createAuditBatch(db, log, { onDropped: metrics.countDroppedEvents });
    const limits = await openRateLimits(db, config.rateLimits, log);
    return {
      config,
      db,
      clock,
      keyring,
      keys,
      verifier: createAccessTokenVerifier(db, config.issuer, keys.list, clock.now),
      clientCache: openClientCache(db, config.resource),
      limits,
      audit,
      log,
      metrics,
      async close() {
        await notices.close();
        clock.close();
        await audit.close();
        await limits.close();
        await db.destroy();
      },
    };
  } catch (error) {
    // A command that fails here must end; an open connection would keep its process alive.
    await notices.close();
    await db.destroy();
    throw error;
  }
}
