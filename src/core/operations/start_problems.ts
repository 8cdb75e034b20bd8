// Why a process cannot start, or a command cannot use its database, as one sentence for the operator: what is wrong, and
// which setting to check. For any other error the stack trace helps more than a sentence.
import type { Config } from '../../../config/index.ts';
import { SealError } from '../../lib/crypto.ts';
import { isUnavailable } from '../store/database_errors.ts';

/** The settings that a sentence may name. */
type Settings = Pick<Config, 'databaseUrl'> & Partial<Pick<Config, 'host' | 'port' | 'metrics'>>;

interface SystemError extends Error {
  code?: string;
  syscall?: string;
  address?: string;
  port?: number;
}

/** The sentence, or null if there is none for this error. */
export function describeStartProblem(error: unknown, settings: Settings): string | null {
  if (!(error instanceof Error)) return null;
  if (error instanceof SealError) {
    return 'no secret in KINDRED_SECRET can decrypt the signing keys of this database; put back the secret that encrypted them';
  }
  const { syscall } = error as SystemError;
  return syscall === 'listen' || syscall === 'bind'
    ? describeListenError(error, settings)
    : describeDatabaseError(error, settings);
}

function describeListenError(error: SystemError, { host, metrics, port }: Settings): string | null {
  const isMetrics = metrics !== undefined && error.port === metrics.port && metrics.port !== port;
  const setting = isMetrics ? 'METRICS_PORT' : 'PORT';
  const address = error.address ?? (isMetrics ? metrics.host : host);
  switch (error.code) {
    case 'EADDRINUSE':
      return `${setting} ${error.port} is taken; set ${setting}, or stop the other process`;
    case 'EACCES':
      return `this user may not listen on ${setting} ${error.port}; set ${setting} to 1024 or higher`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `${isMetrics ? 'METRICS_HOST' : 'HOST'} ${address} is not an address of this machine`;
    default:
      return null;
  }
}

// SQLSTATE: 28 login refused, 3D000 no such database, 53300 too many connections, 57P03 still starting.
const refusals = /^(28...|3D000|53300|57P0[123])$/;

const fileProblems: Record<string, string> = {
  SQLITE_CANTOPEN: 'cannot be opened',
  SQLITE_READONLY: 'cannot be written',
  SQLITE_NOTADB: 'is not a database',
  SQLITE_CORRUPT: 'is damaged',
  SQLITE_IOERR: 'cannot be read or written',
  SQLITE_FULL: 'cannot grow: the disk is full',
  SQLITE_BUSY: 'is locked by another process',
  EACCES: 'cannot be opened',
  EROFS: 'cannot be written',
  ENOTDIR: 'cannot be created: its folder is missing',
  EEXIST: 'cannot be created: its folder is missing',
};

function describeDatabaseError(error: SystemError, { databaseUrl }: Settings): string | null {
  const { code = '', message } = error;
  if (databaseUrl.startsWith('sqlite:')) {
    const problem = fileProblems[code];
    return problem ? `${databaseUrl.slice('sqlite:'.length)} ${problem} (${code}); check DATABASE_URL` : null;
  }
  const where = `the database on ${hostOf(databaseUrl)}`;
  if (message.endsWith('The server does not support SSL connections'))
    return `${where} has no TLS, and nothing falls back to a connection without it; say ?sslmode=disable in DATABASE_URL, or switch TLS on`;
  if (refusals.test(code)) return `${where} refuses the connection: ${lastPart(message)}; check DATABASE_URL`;
  if (!isUnavailable(error)) return null;
  return `${where} cannot be reached (${code || lastPart(message)}); check DATABASE_URL`;
}

// Knex writes the statement before the message of the database, divided by a dash.
function lastPart(message: string): string {
  return message.split(' - ').at(-1) ?? message;
}

/** Host and port of a Postgres, without the password that its URL may hold. */
function hostOf(databaseUrl: string): string {
  const url = URL.parse(databaseUrl);
  const host = url?.hostname || url?.searchParams.get('host') || 'localhost';
  return `${host}:${url?.port || '5432'}`;
}
