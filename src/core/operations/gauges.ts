// The figures of the metrics that are read when somebody asks: of the database and of our connections to it.
import { memoize } from '../../lib/memoize.ts';
import type { Deps } from '../deps.ts';
import { currentKeyAge } from '../keys/signing_keys.ts';
import { countLiveSessions } from './stats.ts';

/** Milliseconds for which a figure from the database is good. */
const goodFor = 15_000;

interface Pool {
  numUsed: () => number;
  numFree: () => number;
  numPendingAcquires: () => number;
}

/** Adds the figures of the database to the metrics. Every node reports the same one: take the maximum of them. */
export function watchDatabase({ db, metrics }: Deps): void {
  metrics.addGauge(
    'sessions_live',
    'Live sessions, in the whole database',
    memoize(() => countLiveSessions(db), goodFor),
  );
  metrics.addGauge(
    'signing_key_age_seconds',
    'How long the current signing key has signed',
    memoize(async () => (await currentKeyAge(db)) ?? Number.NaN, goodFor),
  );
}

/** Adds what is of this process alone: its connections, its memory and the like. */
export function watchProcess({ db, metrics }: Deps): void {
  const pool: Pool = db.client.pool;
  metrics.collectProcessMetrics();
  metrics.addGauge('db_connections_used', 'Connections to the database in use', () => pool.numUsed());
  metrics.addGauge('db_connections_free', 'Connections to the database that wait for work', () =>
    pool.numFree(),
  );
  metrics.addGauge('db_connections_pending', 'Requests that wait for a connection to the database', () =>
    pool.numPendingAcquires(),
  );
}
