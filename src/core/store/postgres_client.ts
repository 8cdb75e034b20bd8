// Connections to Postgres on which a database, a role or a file of settings cannot change how values are written: `alter
// database … set datestyle to 'German'` would otherwise turn every time that we read into null.
import pg from 'pg';
import { markDatabaseError } from './database_errors.ts';

/** Settings that every connection begins with. All of them are known to PgBouncer, which passes no other on. */
const pinned = { datestyle: 'ISO', timezone: 'UTC', standard_conforming_strings: 'on' };

// The types of the driver do not know the method.
declare class DriverClient extends pg.Client {
  getStartupConf(): Record<string, string>;
}
const Base = pg.Client as unknown as typeof DriverClient;

/**
 * The driver's client. What its first message to Postgres says goes before what is set for the database and the role,
 * costs no statement, and holds behind PgBouncer for the client, not for the connection that it is lent.
 */
export class PostgresClient extends Base {
  override getStartupConf(): Record<string, string> {
    return { ...super.getStartupConf(), ...pinned };
  }
}

/** A connection of its own, outside of any pool; `name` is what Postgres calls it. */
export function createPostgresClient(
  url: string,
  name: string,
  more: Omit<pg.ClientConfig, 'connectionString' | 'application_name'> = {},
): PostgresClient {
  const client = new PostgresClient({ connectionString: url, application_name: name, ...more });
  // A connection that breaks fails its statements; without a listener it would end the process as well.
  return client.on('error', () => {});
}

/** The same, connected; whoever hears why that failed can tell that it was the database. */
export async function openPostgresClient(
  ...given: Parameters<typeof createPostgresClient>
): Promise<PostgresClient> {
  const client = createPostgresClient(...given);
  try {
    await client.connect();
    return client;
  } catch (error) {
    markDatabaseError(error);
    await client.end().catch(() => {});
    throw error;
  }
}
