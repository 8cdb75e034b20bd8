// Metrics that are read at the time of a scrape: of the database, and of this process and its connections.
import { memoize } from '../../lib/memoize.ts';
import type { Deps } from '../deps.ts';
import { currentKeyAge } from '../keys/signing_keys.ts';
import { countMessages } from '../outbox/messages.ts';
import { findLiveTotal } from '../statistics/statistics.ts';
import { isStandbyAway } from '../store/standby.ts';

/** Milliseconds for which a figure from the database is reused. */
const maxAge = 15_000;

interface Pool {
  numUsed: () => number;
  numFree: () => number;
  numPendingAcquires: () => number;
}

/** Adds the figures of the database to the metrics. Every node reports the same ones: aggregate them by maximum. */
export function watchDatabase({ db, metrics }: Deps): void {
  // Before the first count there is no figure, and the gauges are left out.
  const readLive = memoize(async () => {
    const found = await findLiveTotal(db);
    if (!found) throw new Error('the live sessions have not been counted yet');
    return { ...found, read: performance.now() };
  }, maxAge);
  metrics.addGauge(
    'sessions_live',
    'Live sessions, in the whole database',
    async () => (await readLive()).total,
  );
  metrics.addGauge(
    'sessions_live_age_seconds',
    'How long ago the live sessions were counted; a node counts every five minutes',
    async () => {
      const { age, read } = await readLive();
      return age + (performance.now() - read) / 1_000;
    },
  );
  metrics.addGauge(
    'signing_key_age_seconds',
    'How long the current signing key has signed',
    memoize(async () => (await currentKeyAge(db)) ?? Number.NaN, maxAge),
  );
  const readMessages = memoize(() => countMessages(db), maxAge);
  metrics.addGauge(
    'outbox_waiting',
    'Mails and logout tokens that wait for their delivery, 10000 at most',
    async () => (await readMessages()).waiting,
  );
  metrics.addGauge(
    'outbox_dead',
    'Mails and logout tokens that were given up, 10000 at most',
    async () => (await readMessages()).dead,
  );
}

/** Adds the figures of this process: its connections, its memory and the like. */
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
  metrics.addGauge(
    'standby_away',
    '1 while no synchronous standby confirms commits, although they wait for one',
    () => (isStandbyAway(db) ? 1 : 0),
  );
}
