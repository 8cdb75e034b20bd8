// Where rate limits are counted: in memory, in Postgres or in Redis, all by rate-limiter-flexible. Also what all limits share:
// the keys of counters, and the error of a refusal.
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

/** The limit of one counter: at most `points` in `duration` seconds. */
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
    // The sweep (core/operations/sweep.ts) removes expired counters, in batches and on one node.
    clearExpiredByTimeout: false,
  });
}

// Milliseconds for which a start waits for Redis, and a command for its answer; then this process counts in its own memory.
const redisTimeout = 2_000;

/**
 * While Redis is unavailable every process counts in its own memory: users can still log in, and guessing stays limited. An
 * attacker gains a factor of the number of nodes, and lockouts that only Redis knows do not apply.
 */
async function openRedis(url: string, log: Log): Promise<LimitStore> {
  // Imported here, so that only deployments with Redis load it.
  const { createClient } = await import('@redis/client');
  const client = createClient({
    url,
    disableOfflineQueue: true,
    // Pings keep an idle connection open; a connection that does not answer them is closed.
    pingInterval: redisTimeout / 3,
    socket: {
      connectTimeout: redisTimeout,
      socketTimeout: redisTimeout,
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
  await Promise.race([connected, new Promise((resolve) => setTimeout(resolve, redisTimeout).unref())]);
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
    // No pending command is worth waiting for.
    close: async () => client.destroy(),
  };
}

/** The key of a counter: a digest, because names and addresses are personal, of any length, and must not run together. */
export function keyOf(parts: string[]): string {
  return digest(JSON.stringify(parts));
}

/** Awaits the answer of the library; throws its refusal as `rate_limited` with the seconds to wait. */
export async function asRateLimited(answer: Promise<RateLimiterRes>): Promise<void> {
  try {
    await answer;
  } catch (refusal) {
    if (!(refusal instanceof RateLimiterRes)) throw refusal;
    const retryAfter = Math.max(1, Math.ceil(refusal.msBeforeNext / 1000));
    throw new AppError('rate_limited', undefined, { retryAfter });
  }
}

/** The largest number of keys that one counter keeps in a process, of about 600 bytes each. */
const maxKeys = 25_000;

/**
 * Counters in memory with a bound, so that requests cannot fill the memory: beyond it the least recently used counter is
 * dropped. To reset the failures of a name this way takes 25,000 failed logins, each with its hash, from some 500 networks.
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
