// The Postgres side of a database: the settings of its connections and of their pool.
import type { Socket } from 'node:net';
import type { Knex } from 'knex';
import type pg from 'pg';
import { type DatabaseOptions, type Done, log } from './knex_options.ts';
import './postgres_types.ts';

/**
 * Milliseconds for which a request waits for a connection, and a connection for a Postgres that does not answer. Whoever
 * waits is an app in front of a person: it is told to come again before it gives up by itself (mobile apps often do after
 * ten seconds), and a pool that is full for this long is not about to empty.
 */
const patience = 5_000;

/** Settings of Knex for the database at `connectionString`. */
export function postgresConfig(
  connectionString: string,
  { pool: max = 10, name = 'kindred', silence, wait = patience }: DatabaseOptions,
): Knex.Config {
  const connection = {
    connectionString,
    application_name: name,
    // Less than the wait for the pool, so that it ends with what is wrong.
    connectionTimeoutMillis: wait - 1_000,
    // A host that is gone without a word is noticed on idle connections too: Node probes every second from then on,
    // ten times.
    keepAlive: true,
    keepAliveInitialDelayMillis: 5_000,
    // Whoever has a connection may send several statements at once (pipeline.ts). Knex's types do not know it.
    pipeline: true,
  };
  return {
    client: 'pg',
    log,
    connection,
    acquireConnectionTimeout: wait,
    pool: { min: 0, max, ...(silence ? { afterCreate: limitSilence(silence) } : {}) },
  };
}

// The probes of TCP say nothing of a connection on which something is under way, and the system sends that again for a
// quarter of an hour: with its host gone, every connection of the pool would wait for so long.
function limitSilence(silence: number) {
  return (connection: pg.Client, done: Done): void => {
    const { stream } = connection.connection as unknown as { stream: Socket };
    stream.setTimeout(silence).on('timeout', () => {
      const isIdle = (connection as unknown as { readyForQuery: boolean }).readyForQuery;
      if (!isIdle) stream.destroy(new Error('Connection terminated: Postgres does not answer'));
    });
    done(null, connection);
  };
}
