// What a process opens once and passes to everything above core: database, clock, keys, client cache, limits, audit
// trail, log and metrics. Closing it writes queued audit events first.
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
import { setNotices } from './mail/notices.ts';
import { setOutboxKeyring } from './outbox/outbox.ts';
import { rotationRing } from './sessions/session_rotations.ts';
import { type Clock, openClock } from './store/clock.ts';
import { isPostgres, openDatabase } from './store/db.ts';
import './tables.ts';
import { openNodeNotices } from './store/node_notices.ts';
import { standbyOf } from './store/standby.ts';
import { openStandbyWatch, type StandbyWatch } from './store/standby_watch.ts';

export interface Deps {
  config: Config;
  db: Knex;
  /** The time that decides expiry and goes into tokens. */
  clock: Clock;
  keyring: Keyring;
  keys: KeyStore;
  verifier: AccessTokenVerifier;
  clientCache: ClientCache;
  limits: RateLimits;
  audit: AuditBatch;
  log: Log;
  metrics: Metrics;
  /** Writes queued events and closes everything that was opened. */
  close: () => Promise<void>;
}

/** Milliseconds after which a silent connection is dropped. No statement takes as long: large ones run in batches, slow ones have a limit. */
const silence = 30_000;

/** Opens the log with the level and format of the settings. */
export function openLog(config: Config): Log {
  return createLog({
    level: config.logLevel,
    pretty: config.env === 'development' && process.stdout.isTTY,
    pid: config.workers > 1,
  });
}

/** Opens everything on a migrated database; creates the first signing keys if there are none. */
export async function openDeps(config: Config): Promise<Deps> {
  const log = openLog(config);
  const db = openDatabase(config.databaseUrl, { pool: config.databasePool, silence });
  let standby: StandbyWatch | null = null;
  const notices = openNodeNotices(config.databaseDirectUrl, log);
  try {
    const clock = await openClock(db, log);
    setEventClock(db, clock.now);
    const metrics = createMetrics();
    standby = await openStandbyWatch(db, log);
    if (isPostgres(db)) standbyOf(db.client).onRefusal(metrics.countStandbyRefusal);
    const keyring = createKeyring(config.secrets);
    setOutboxKeyring(db, keyring);
    setNotices(db, config.mail.smtpUrl || config.mail.folder ? config.mail.notices : null);
    const keys = await openKeyStore(db, { keyring, named: config.signingAlgs, notices, log });
    const audit = createAuditBatch(db, log, {
      onDropped: metrics.countDroppedEvents,
      rotations: rotationRing(config.auditRefreshes),
    });
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
        await keys.close();
        clock.close();
        await audit.close();
        await limits.close();
        await standby?.close();
        await db.destroy();
      },
    };
  } catch (error) {
    // An open connection would keep the process of a failed command alive.
    await notices.close();
    await standby?.close();
    await db.destroy();
    throw error;
  }
}
