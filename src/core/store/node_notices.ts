// Notices between nodes: "something of this topic has changed, look". On Postgres by LISTEN/NOTIFY; a look every few
// seconds makes up for a connection that was away, and is all that SQLite has for its other processes.
import type { Log } from '../../lib/log.ts';
import { type Db, isPostgres } from './db.ts';
import { createPostgresClient, type PostgresClient } from './postgres_client.ts';

export type Topic = 'signing_keys';

const channel = 'kindred';

export interface NodeNotices {
  /** Calls `look` when another node says so, and every few seconds anyway; it must be cheap when nothing changed. */
  watch: (topic: Topic, look: () => Promise<void>) => void;
  close: () => Promise<void>;
}

/** Tells all nodes; within a transaction on Postgres they hear of it with the commit. */
export async function notifyNodes(db: Db, topic: Topic): Promise<void> {
  if (isPostgres(db)) await db.raw('select pg_notify(?, ?)', [channel, topic]);
}

/** Opens the notices of this process on a connection of their own. `interval` in milliseconds. */
export function openNodeNotices(url: string, log: Log, interval = 5_000): NodeNotices {
  const looks = new Map<Topic, () => Promise<void>>();
  const lookAt = (topic: Topic) => {
    looks
      .get(topic)?.()
      .catch((err) => log.error({ err, topic }, 'a notice could not be followed'));
  };
  const timer = setInterval(() => {
    for (const topic of looks.keys()) lookAt(topic);
    listener?.keepOpen();
  }, interval).unref();
  const listener = url.startsWith('sqlite:') ? null : listen(url, log, lookAt);
  return {
    watch: (topic, look) => looks.set(topic, look),
    async close() {
      clearInterval(timer);
      looks.clear();
      await listener?.close();
    },
  };
}

function listen(url: string, log: Log, heard: (topic: Topic) => void) {
  let client: PostgresClient | null = null;
  let closed = false;
  const open = async () => {
    // Nothing is ever sent on it, so only the probes tell that the other end is gone.
    const opening = createPostgresClient(url, 'kindred notices', {
      connectionTimeoutMillis: 4_000,
      keepAlive: true,
      keepAliveInitialDelayMillis: 5_000,
    });
    opening.on('error', (err) => log.warn({ err }, 'the connection for notices was lost'));
    opening.on('end', () => {
      if (client === opening) client = null;
    });
    opening.on('notification', ({ payload }) => heard(payload as Topic));
    client = opening;
    try {
      await opening.connect();
      await opening.query(`listen ${channel}`);
    } catch (error) {
      // It may be open all the same, and the next try opens another.
      await opening.end().catch(() => {});
      throw error;
    }
    if (closed) await opening.end();
  };
  const keepOpen = () => {
    if (client || closed) return;
    open().catch((err) => {
      client = null;
      log.warn({ err }, 'notices are not heard at the moment; looking every few seconds instead');
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
