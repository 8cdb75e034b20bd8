// What the opener of a database chooses, and what both dialects are given.
export interface DatabaseOptions {
  /** Connections to Postgres. */
  pool?: number;
  /** What Postgres calls the connections. */
  name?: string;
  /** Milliseconds after which a connection to Postgres that owes an answer counts as dead; unset, it may take hours. */
  silence?: number;
  /** Milliseconds for which a statement waits for a connection; unset, as long as an app in front of a person may. */
  wait?: number;
}

/** How a connection is handed to the pool, prepared or not. */
export type Done = (error: Error | null, connection: unknown) => void;

// Knex would warn on stdout, past our log and into what a command prints, of what it also throws: a connection that failed.
export const log = { warn() {} };
