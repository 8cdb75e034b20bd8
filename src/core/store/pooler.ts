// Detects a pooler between Kindred and Postgres that lends a connection for one transaction only (PgBouncer in transaction
// mode). Behind such a pooler a lock, a LISTEN or a prepared statement may be on another connection at the next statement.
import { openPostgresClient, type PostgresClient } from './postgres_client.ts';

/**
 * `session`: a connection stays the same, with a pooler or without. `transaction`: it may change, but prepared statements are
 * found (PgBouncer from 1.21 on, with `max_prepared_statements`). `unprepared`: it may change, and they are not found.
 */
export type PoolerMode = 'session' | 'transaction' | 'unprepared';

const statement = { name: 'kindred_way', text: 'select pg_backend_pid() as pid' };

// SQLSTATE: the statement exists already, or does not exist, because the connection was lent to another client before.
const lost = new Set(['42P05', '26000']);

/**
 * Runs one prepared statement on two connections, in an order in which a pooler in transaction mode cannot give both clients
 * a stable connection of their own.
 */
export async function detectPoolerMode(url: string): Promise<PoolerMode> {
  if (url.startsWith('sqlite:')) return 'session';
  const first = await open(url);
  try {
    const second = await open(url);
    try {
      return await compare(first, second);
    } finally {
      await second.end();
    }
  } finally {
    await first.end();
  }
}

async function open(url: string): Promise<PostgresClient> {
  return await openPostgresClient(url, 'kindred start', { connectionTimeoutMillis: 10_000 });
}

async function compare(first: PostgresClient, second: PostgresClient): Promise<PoolerMode> {
  const seen = new Map<PostgresClient, Set<number>>([
    [first, new Set()],
    [second, new Set()],
  ]);
  try {
    for (const one of [first, second, first, first, second, second, first]) {
      const { rows } = await one.query(statement);
      seen.get(one)?.add(rows[0].pid);
    }
  } catch (error) {
    if (lost.has((error as { code?: string }).code ?? '')) return 'unprepared';
    throw error;
  }
  const pids = [...seen.values()];
  const areStable = pids.every((own) => own.size === 1);
  return areStable && new Set(pids.flatMap((own) => [...own])).size === 2 ? 'session' : 'transaction';
}

/** The problem with the URLs of the database: one sentence that begins with the setting, or null. */
export async function findPoolerProblem(urls: {
  databaseUrl: string;
  databaseDirectUrl: string;
}): Promise<string | null> {
  const mode = await detectPoolerMode(urls.databaseUrl);
  if (mode === 'unprepared') {
    return 'DATABASE_URL: leads through a pooler in transaction mode that loses prepared statements; PgBouncer must be 1.21 or newer with max_prepared_statements = 100 or more, or have pool_mode = session';
  }
  const isGiven = urls.databaseDirectUrl !== urls.databaseUrl;
  if (mode === 'transaction' && !isGiven) {
    return 'DATABASE_DIRECT_URL: is needed, since DATABASE_URL leads through a pooler in transaction mode, which keeps no locks and no LISTEN; it names the same database past the pooler';
  }
  if (isGiven && (await detectPoolerMode(urls.databaseDirectUrl)) !== 'session') {
    return 'DATABASE_DIRECT_URL: leads through a pooler in transaction mode, which keeps no locks and no LISTEN; it must name the same database past the pooler';
  }
  return null;
}
