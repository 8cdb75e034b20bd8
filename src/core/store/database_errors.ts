// Whether an error means that the database is away, or takes no work at the moment. The one place that knows; whoever
// answers requests makes it a 503, so that clients come again instead of giving up a session that is still good.
import { AppError } from '../../lib/errors.ts';

/**
 * SQLSTATE: 08 the connection failed, 53 no resources (53100 the disk is full, 53300 too many connections), 57P0x the
 * server stops, starts or has ended the connection, 58 its files fail, 25006 only reading (a standby after a failover),
 * 25P03 and 57014 it gave up on a statement that took too long, 55P03 on a lock, 40001 and 40P01 another transaction won.
 */
const sqlStates = /^(08...|53...|57P0[1235]|57014|58...|25006|25P03|55P03|40001|40P01)$/;

/** SQLite: another process holds the file for longer than `busy_timeout`, or the disk is full, broken or read-only. */
const sqliteCodes = /^SQLITE_(BUSY|LOCKED|FULL|IOERR|READONLY|CANTOPEN)/;

/** The socket to the database; a name that cannot be resolved is what a failover by DNS looks like. Other sockets have these too. */
const networkCodes = new Set(
  'ECONNREFUSED ECONNRESET EPIPE ETIMEDOUT EHOSTUNREACH EHOSTDOWN ENETUNREACH ENETDOWN ENOTFOUND EAI_AGAIN'.split(
    ' ',
  ),
);

// What pg and Knex say without any code. Knex puts the statement before the message, so only its end is looked at.
const messages =
  /(?:^|- )(?:Connection terminated.*|Connection ended unexpectedly|Client has encountered a connection error and is not queryable|Client was closed and is not queryable|Unable to acquire a connection)$/;

// The same, in words that others use too.
const commonMessages = /(?:^|- )(?:timeout expired|aborted)$/;

const ofDatabase = new WeakSet<object>();

/** To be told of every error that comes from the connection to the database; db.ts and statements.ts do. */
export function markDatabaseError(error: unknown): void {
  if (error instanceof Error) ofDatabase.add(error);
}

/** Seconds after which a client may come again: the pool recovers with the database, at the next request. */
const pause = 2;

/** The refusal that says so to the world, without a word of the story. */
export function unavailable(cause: unknown): AppError {
  return new AppError('unavailable', undefined, { retryAfter: pause, cause });
}

/** True when the database, and not the request, is why `error` was thrown; looks at its causes too. */
export function isUnavailable(error: unknown): boolean {
  for (let one = error, depth = 0; one instanceof Error && depth < 5; one = one.cause, depth += 1) {
    if (isOneOf(one)) return true;
  }
  return false;
}

function isOneOf(error: Error & { code?: unknown }): boolean {
  const { name, message, code } = error;
  if (name === 'KnexTimeoutError') return true;
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

/** True when `error` is a violated foreign key: what a row points to has just been removed. */
export function isForeignKeyViolation(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string };
  return code === '23503' || (code === 'SQLITE_CONSTRAINT' && message?.includes('FOREIGN KEY') === true);
}
