// Where rate limits are counted: in memory, in Postgres or in Redis, all by rate-limiter-flexible; and the two things that
// every limit does alike.
import {
  type RateLimiterAbstract,
  RateLimiterMemory,
  RateLimiterPostgres,
  RateLimiterRedis,
  RateLimiterRes,
} from 'rate-limiter-flexible';
import { digest } from '../../lib/crypto.ts';
import { AppError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { Db } from '../store/db.ts';

/** What one counter counts: at most `points` in `duration` seconds. */
export interface CounterOptions {
  keyPrefix: string;
  points: number;
  duration: number;
}

export interface LimitStore {
  open: (options: CounterOptions) => RateLimiterAbstract;
  close: () => Promise<void>;
}

/** Counts in this process. */
export const memoryStore: LimitStore = {
  open: (options) => new BoundedMemory(options),
  close: async () => {},
};

/** Opens the store that `where` names: `memory`, `database` or a `redis://` URL. */
export async function openLimitStore(db: Db, where: string, log: Log): Promise<LimitStore> {
  if (where === 'memory') return memoryStore;
  if (where === 'database') return { open: (options) => openInPostgres(db, options), close: async () => {} };
  return await openRedis(where, log);
}

function openInPostgres(db: Db, options: CounterOptions): RateLimiterAbstract {
  return new RateLimiterPostgres({
    ...options,
    storeClient: db,
    storeType: 'knex',
    tableName: 'rate_limits',
    tableCreated: true,
    // The sweep (sweep.ts) does it, in batches and on one node.
    clearExpiredByTimeout: false,
  });
}

// How long a start waits for Redis, and a command for its answer; then this process counts by itself.
const patience = 2_000;

/**
 * While Redis is away every process counts in its own memory: nobody is kept from logging in, and nobody may guess
 * without limit. What an attacker gains is the number of nodes, and that the lockouts which Redis knows are forgotten.
 */
async function openRedis(url: string, log: Log): Promise<LimitStore> {
  // Loaded here, so that nobody else pays for it.
  const { createClient } = await import('@redis/client');
  const client = createClient({
    url,
    disableOfflineQueue: true,
    // The pings keep a connection open on which nothing happens; one that does not answer even them is given up.
    pingInterval: patience / 3,
    socket: {
      connectTimeout: patience,
      socketTimeout: patience,
      reconnectStrategy: (tries) => Math.min(50 * 2 ** tries, 3_000),
    },
  });
  let isAway = false;
  client.on('error', (err) => {
    if (!isAway) log.error({ err }, 'Redis does not answer; rate limits are counted by each process alone');
    isAway = true;
  });
  client.on('ready', () => {
    if (isAway) log.info('Redis answers again; rate limits are shared');
    isAway = false;
  });
  const connected = client.connect().catch(() => {});
  await Promise.race([connected, new Promise((resolve) => setTimeout(resolve, patience).unref())]);
  return {
    open: (options) =>
      new RateLimiterRedis({
        ...options,
        keyPrefix: `kindred:${options.keyPrefix}`,
        storeClient: client,
        useRedisPackage: true,
        rejectIfRedisNotReady: true,
        insuranceLimiter: new BoundedMemory(options),
      }),
    // Nothing that is still under way is worth waiting for.
    close: async () => client.destroy(),
  };
}

/** The key of a counter. Digested: names and addresses are personal, of any length, and must not run into one another. */
export function keyOf(parts: string[]): string {
  return digest(JSON.stringify(parts));
}

/** Awaits the library's answer; a refusal becomes `rate_limited` with the seconds to wait. */
export async function asRateLimited(answer: Promise<RateLimiterRes>): Promise<void> {
  try {
    await answer;
  } catch (refusal) {
    if (!(refusal instanceof RateLimiterRes)) throw refusal;
    const retryAfter = Math.max(1, Math.ceil(refusal.msBeforeNext / 1000));
    throw new AppError('rate_limited', undefined, { retryAfter });
  }
}

/** Keys of one counter that a process remembers, of about 600 bytes each. */
const maxKeys = 25_000;

/**
 * Counters in memory, of which strangers cannot make without end: of too many, the one that was used least recently goes.
 * To have a name's failures forgotten that way costs as many failed logins, each with its hash, from some 500 networks.
 */
class BoundedMemory extends RateLimiterMemory {
  readonly #used = new Set<string>();

  override consume(key: string | number, points?: number, options?: object): Promise<RateLimiterRes> {
    this.#note(String(key));
    return super.consume(key, points, options);
  }

  override penalty(key: string | number, points?: number, options?: object): Promise<RateLimiterRes> {
    this.#note(String(key));
    return super.penalty(key, points, options);
  }

  override reward(key: string | number, points?: number, options?: object): Promise<RateLimiterRes> {
    this.#note(String(key));
    return super.reward(key, points, options);
  }

  override delete(key: string | number): Promise<boolean> {
    this.#used.delete(String(key));
    return super.delete(key);
  }

  #note(key: string): void {
    this.#used.delete(key);
    this.#used.add(key);
    const [oldest] = this.#used;
    if (this.#used.size > maxKeys && oldest !== undefined) void this.delete(oldest);
  }
}
