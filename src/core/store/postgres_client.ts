// Connections to Postgres on which the settings of a database, a role or a server cannot change how values are written:
// `alter database … set datestyle to 'German'` would otherwise turn every time that we read into null.
import pg from 'pg';
import { markDatabaseError } from './database_errors.ts';
import { StandbyAwayError } from './standby.ts';

/** Settings that every connection begins with. PgBouncer knows all of them; it passes on no others. */
const pinned = { datestyle: 'ISO', timezone: 'UTC', standard_conforming_strings: 'on' };

/** The function of Postgres that waits for a standby; its name is in the notice, whatever the language of the message. */
const syncWait = 'SyncRepWaitForLSN';

/**
 * The driver's client with pinned settings. Settings in the first message to Postgres take precedence over those of the
 * database and the role, cost no statement, and hold behind PgBouncer for the client, whatever connection it is lent.
 * A statement whose wait for a synchronous standby was cancelled fails: Postgres only adds a notice to its success.
 */
export class PostgresClient extends pg.Client {
  constructor(config?: pg.ClientConfig) {
    super(config);
    this.on('notice', ({ routine }) => {
      if (routine === syncWait) this.failActiveQuery(new StandbyAwayError());
    });
  }

  // Postgres answers a statement whose wait for a standby was cancelled as if all were well.
  private failActiveQuery(error: Error): void {
    const query = this._getActiveQuery();
    if (!query) return;
    const { callback } = query;
    query.callback = (failure) => callback(failure ?? error, []);
  }

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

/**
 * Asks Postgres to cancel what runs on `client`, by a connection of its own as the protocol demands; returns when Postgres has
 * taken note. Works behind PgBouncer, unlike `pg_cancel_backend`. The caller makes sure that nothing else begins on `client`.
 */
export async function cancelStatement(client: pg.Client): Promise<void> {
  const canceller = new PostgresClient({ ...client.connectionParameters, connectionTimeoutMillis: 2_000 });
  const { connection } = canceller;
  canceller.on('error', () => {});
  // Sent in place of the first message, encrypted where the other connections are.
  connection.startup = () => connection.cancel(client.processID, client.secretKey);
  // Postgres answers by closing the connection, which the driver takes for an error.
  const end = new Promise<void>((resolve) => connection.once('end', resolve));
  await Promise.all([canceller.connect().catch(() => {}), end]);
}
