// Options of a database that its opener chooses, and options that both dialects share.
export interface DatabaseOptions {
  /** Connections to Postgres. */
  pool?: number;
  /** The application name of the connections at Postgres. */
  name?: string;
  /** Milliseconds after which a connection to Postgres that owes an answer is destroyed; if unset, this may take hours. */
  silence?: number;
  /** Guesses the types of columns on SQLite from their names. For migrations alone: they were written against it. */
  columnsByName?: boolean;
  /** Milliseconds for which a statement waits for a connection; the default is short enough for an interactive app. */
  wait?: number;
}

/** Hands a new connection to the pool, or the error that prevented it. */
export type Done = (error: Error | null, connection: unknown) => void;

/** A log for Knex that prints nothing: Knex would also print errors that it throws to stdout, into the output of commands. */
export const log = { warn() {} };
