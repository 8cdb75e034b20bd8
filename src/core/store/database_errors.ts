// Which errors mean that the database is unavailable or accepts no work at the moment; no other file decides this. The
// endpoints answer them with 503, so that clients retry instead of giving up a session that is still good.
import { AppError } from '../../lib/errors.ts';

/**
 * SQLSTATE: 08 the connection failed, 53 no resources (53100 the disk is full, 53300 too many connections), 57P0x the
 * server stops, starts or has ended the connection, 58 its files fail, 25006 read-only (a standby after a failover), 25P03
 * and 57014 a statement took too long, 55P03 a lock was not available, 40001 and 40P01 another transaction won.
 */
const sqlStates = /^(08...|53...|57P0[1235]|57014|58...|25006|25P03|55P03|40001|40P01)$/;

/** SQLite: another process holds the file for longer than `busy_timeout`, or the disk is full, defective or read-only. */
const sqliteCodes = /^SQLITE_(BUSY|LOCKED|FULL|IOERR|READONLY|CANTOPEN)/;

/**
 * Errors of the socket to the database; during a failover by DNS its name may not resolve. Other sockets have the same codes.
 */
const networkCodes = new Set(
  'ECONNREFUSED ECONNRESET EPIPE ETIMEDOUT EHOSTUNREACH EHOSTDOWN ENETUNREACH ENETDOWN ENOTFOUND EAI_AGAIN'.split(
    ' ',
  ),
);

// Messages of pg and Knex that come without a code. Knex puts the statement before the message, so only the end counts.
const messages =
  /(?:^|- )(?:Connection terminated.*|Connection ended unexpectedly|Client has encountered a connection error and is not queryable|Client was closed and is not queryable|Unable to acquire a connection)$/;

// The same for messages that other libraries use too.
const commonMessages = /(?:^|- )(?:timeout expired|aborted)$/;

const ofDatabase = new WeakSet<object>();

/** Marks an error as one of the connection to the database: db.ts, statements.ts and postgres_client.ts mark each that they meet. */
export function markDatabaseError(error: unknown): void {
  if (error instanceof Error) ofDatabase.add(error);
}

/** Seconds after which a client may retry: the pool recovers with the database, at the next request. */
const retryAfter = 2;

/** The error that is answered with 503; `cause` is for the log and never reaches the client. */
export function unavailable(cause: unknown): AppError {
  return new AppError('unavailable', undefined, { retryAfter, cause });
}

/** True when `error`, or one of its causes, was thrown because of the database and not because of the request. */
export function isUnavailable(error: unknown): boolean {
  for (let one = error, depth = 0; one instanceof Error && depth < 5; one = one.cause, depth += 1) {
    if (isUnavailableError(one)) return true;
  }
  return false;
}

function isUnavailableError(error: Error & { code?: unknown }): boolean {
  const { name, message, code } = error;
  if (name === 'KnexTimeoutError' || name === 'StandbyAwayError') return true;
  if (typeof code !== 'string')
    return messages.test(message) || (ofDatabase.has(error) && commonMessages.test(message));
  if (networkCodes.has(code)) return ofDatabase.has(error);
  return sqlStates.test(code) || sqliteCodes.test(code);
}

/** True when `error` is a violated unique index, on either database. */
export function isUniqueViolation(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string };
  return code === '23505' || (code === 'SQLITE_CONSTRAINT' && message?.includes('UNIQUE') === true);
}

/** True when `error` is a violated foreign key: the row that it refers to has just been removed. */
export function isForeignKeyViolation(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string };
  return code === '23503' || (code === 'SQLITE_CONSTRAINT' && message?.includes('FOREIGN KEY') === true);
}
