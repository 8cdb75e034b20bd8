// Connections to Postgres on which the settings of a database, a role or a server cannot change how values are written:
// `alter database … set datestyle to 'German'` would otherwise turn every time that we read into null.
import pg from 'pg';
import { markDatabaseError } from './database_errors.ts';

/** Settings that every connection begins with. PgBouncer knows all of them; it passes on no others. */
const pinned = { datestyle: 'ISO', timezone: 'UTC', standard_conforming_strings: 'on' };

/**
 * The driver's client with pinned settings. Settings in the first message to Postgres take precedence over those of the
 * database and the role, cost no statement, and hold behind PgBouncer for the client, whatever connection it is lent.
 */
export class PostgresClient extends pg.Client {
  override getStartupConf(): Record<string, string> {
    return { ...super.getStartupConf(), ...pinned };
  }
}

/** A connection of its own, outside of any pool and not yet open; `name` is its application name at Postgres. */
export function createPostgresClient(
  url: string,
  name: string,
  more: Omit<pg.ClientConfig, 'connectionString' | 'application_name'> = {},
): PostgresClient {
  const client = new PostgresClient({ connectionString: url, application_name: name, ...more });
  // A broken connection fails its statements; without a listener it would end the process as well.
  return client.on('error', () => {});
}

/** The same, connected. A failure is marked as an error of the database. */
export async function openPostgresClient(
  ...options: Parameters<typeof createPostgresClient>
): Promise<PostgresClient> {
  const client = createPostgresClient(...options);
  try {
    await client.connect();
    return client;
  } catch (error) {
    markDatabaseError(error);
    await client.end().catch(() => {});
    throw error;
  }
}
