// Notices between nodes: "something of this topic has changed, check it". They travel by LISTEN/NOTIFY on Postgres. Each
// node also checks every few seconds, which covers a lost connection, and other processes on SQLite.
import type { Log } from '../../lib/log.ts';
import { type Db, isPostgres } from './db.ts';
import { createPostgresClient, type PostgresClient } from './postgres_client.ts';

export type Topic = 'signing_keys';

const channel = 'kindred';

export interface NodeNotices {
  /** Calls `check` at each notice and every few seconds anyway; it must be cheap when nothing has changed. */
  watch: (topic: Topic, check: () => Promise<void>) => void;
  close: () => Promise<void>;
}

/** Sends a notice to all nodes; within a transaction on Postgres it is delivered with the commit. */
export async function notifyNodes(db: Db, topic: Topic): Promise<void> {
  if (isPostgres(db)) await db.raw('select pg_notify(?, ?)', [channel, topic]);
}

/** Opens the notices of this process on a connection of their own. `interval` is in milliseconds. */
export function openNodeNotices(url: string, log: Log, interval = 5_000): NodeNotices {
  const checks = new Map<Topic, () => Promise<void>>();
  const runCheck = (topic: Topic) => {
    checks
      .get(topic)?.()
      .catch((err) => log.error({ err, topic }, 'a notice could not be followed'));
  };
  const timer = setInterval(() => {
    for (const topic of checks.keys()) runCheck(topic);
    listener?.keepOpen();
  }, interval).unref();
  const listener = url.startsWith('sqlite:') ? null : listen(url, log, runCheck);
  return {
    watch: (topic, check) => checks.set(topic, check),
    async close() {
      clearInterval(timer);
      checks.clear();
      await listener?.close();
    },
  };
}

function listen(url: string, log: Log, onNotice: (topic: Topic) => void) {
  let client: PostgresClient | null = null;
  let closed = false;
  const open = async () => {
    // Nothing is ever sent on this connection, so only keep-alive probes detect that the other end is gone.
    const opening = createPostgresClient(url, 'kindred notices', {
      connectionTimeoutMillis: 4_000,
      keepAlive: true,
      keepAliveInitialDelayMillis: 5_000,
    });
    opening.on('error', (err) => log.warn({ err }, 'the connection for notices was lost'));
    opening.on('end', () => {
      if (client === opening) client = null;
    });
    opening.on('notification', ({ payload }) => onNotice(payload as Topic));
    client = opening;
    try {
      await opening.connect();
      await opening.query(`listen ${channel}`);
    } catch (error) {
      // The connection may be open although LISTEN failed, and the next attempt opens another.
      await opening.end().catch(() => {});
      throw error;
    }
    if (closed) await opening.end();
  };
  const keepOpen = () => {
    if (client || closed) return;
    open().catch((err) => {
      client = null;
      log.warn({ err }, 'notices are not received at the moment; checking every few seconds instead');
    });
  };
  keepOpen();
  return {
    keepOpen,
    async close() {
      closed = true;
      await client?.end().catch(() => {});
    },
  };
}
