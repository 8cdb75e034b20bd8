// The Postgres side of a database: the settings of its connections and of their pool.
import { Socket } from 'node:net';
import type { Knex } from 'knex';
import type pg from 'pg';
import { type DatabaseOptions, type Done, log } from './knex_options.ts';
import { PostgresDialect } from './postgres_dialect.ts';
import './postgres_types.ts';

/**
 * Milliseconds for which a request waits for a connection, and a connection for a Postgres that does not answer. The caller
 * is an app with a person in front of it: it is told to retry before it gives up by itself (mobile apps often do after ten
 * seconds), and a pool that is full for this long will not be free a moment later.
 */
const defaultWait = 5_000;

/** Settings of Knex for the database at `connectionString`. */
export function postgresConfig(
  connectionString: string,
  { pool: max = 10, name = 'kindred', silence, wait = defaultWait }: DatabaseOptions,
): Knex.Config {
  const connection = {
    connectionString,
    application_name: name,
    // Shorter than the wait for the pool, so that the wait ends with the cause.
    connectionTimeoutMillis: wait - 1_000,
    // Detects a host that vanished on idle connections too: after this delay Node probes every second, ten times.
    keepAlive: true,
    keepAliveInitialDelayMillis: 5_000,
    // The holder of a connection may send several statements at once (pipeline.ts). Knex's types do not know it.
    pipeline: true,
  };
  return {
    client: PostgresDialect,
    log,
    connection,
    acquireConnectionTimeout: wait,
    pool: { min: 0, max, ...(silence ? { afterCreate: limitSilence(silence) } : {}) },
  };
}

// TCP keep-alive does not probe a connection with unacknowledged data, and the system sends such data again for a quarter of
// an hour: when the host of Postgres vanishes, every connection of the pool would wait for that long.
function limitSilence(silence: number) {
  return (connection: pg.Client, done: Done): void => {
    const { stream } = connection.connection;
    if (stream instanceof Socket) {
      stream.setTimeout(silence).on('timeout', () => {
        const owesAnswer = !connection.readyForQuery;
        if (owesAnswer) stream.destroy(new Error('Connection terminated: Postgres does not answer'));
      });
    }
    done(null, connection);
  };
}
