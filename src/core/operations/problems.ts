// What keeps a process from starting, or a command from its database, in one sentence for an operator: what is wrong, and
// which setting has to do with it. For everything else the stack is worth more than a sentence.
import type { Config } from '../../../config/index.ts';
import { SealError } from '../../lib/crypto.ts';
import { isUnavailable } from '../store/database_errors.ts';

/** The settings that a problem may be about. */
type Settings = Pick<Config, 'databaseUrl'> & Partial<Pick<Config, 'host' | 'port' | 'metrics'>>;

interface SystemError extends Error {
  code?: string;
  syscall?: string;
  address?: string;
  port?: number;
}

/** The sentence, or null when there is none for this error. */
export function describeStartProblem(error: unknown, settings: Settings): string | null {
  if (!(error instanceof Error)) return null;
  if (error instanceof SealError) {
    return 'no secret in KINDRED_SECRET can decrypt the signing keys of this database; put back the secret that encrypted them';
  }
  const { syscall } = error as SystemError;
  return syscall === 'listen' || syscall === 'bind'
    ? describeListening(error, settings)
    : describeDatabase(error, settings);
}

function describeListening(error: SystemError, { host, metrics, port }: Settings): string | null {
  const isMetrics = metrics !== undefined && error.port === metrics.port && metrics.port !== port;
  const setting = isMetrics ? 'METRICS_PORT' : 'PORT';
  const address = error.address ?? (isMetrics ? metrics.host : host);
  switch (error.code) {
    case 'EADDRINUSE':
      return `${setting} ${error.port} is taken; set ${setting}, or stop the other process`;
    case 'EACCES':
      return `${setting} ${error.port} is not allowed for this user; set ${setting} to one from 1024 on`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `${isMetrics ? 'METRICS_HOST' : 'HOST'} ${address} is not an address of this machine`;
    default:
      return null;
  }
}

// SQLSTATE: 28 who may log in, 3D there is no such database, 53300 too many connections, 57P03 it is just starting.
const refusals = /^(28...|3D000|53300|57P0[123])$/;

const files: Record<string, string> = {
  SQLITE_CANTOPEN: 'cannot be opened',
  SQLITE_READONLY: 'cannot be written',
  SQLITE_NOTADB: 'is not a database',
  SQLITE_CORRUPT: 'is damaged',
  SQLITE_IOERR: 'cannot be read or written',
  SQLITE_FULL: 'has no room left on its disk',
  SQLITE_BUSY: 'is held by another process',
  EACCES: 'cannot be opened',
  EROFS: 'cannot be written',
  ENOTDIR: 'is in no folder',
  EEXIST: 'is in no folder',
};

function describeDatabase(error: SystemError, { databaseUrl }: Settings): string | null {
  const { code = '', message } = error;
  if (databaseUrl.startsWith('sqlite:')) {
    const what = files[code];
    return what ? `${databaseUrl.slice('sqlite:'.length)} ${what} (${code}); DATABASE_URL names it` : null;
  }
  const where = `the database on ${hostOf(databaseUrl)}`;
  if (refusals.test(code)) return `${where} refuses: ${message.split(' - ').at(-1)}; DATABASE_URL names it`;
  if (!isUnavailable(error)) return null;
  return `${where} cannot be reached (${code || lastWords(message)}); DATABASE_URL names it`;
}

function lastWords(message: string): string {
  return message.split(' - ').at(-1) ?? message;
}

/** Host and port of a Postgres, without the password that its URL may hold. */
function hostOf(databaseUrl: string): string {
  const url = URL.parse(databaseUrl);
  const host = url?.hostname || url?.searchParams.get('host') || 'localhost';
  return `${host}:${url?.port || '5432'}`;
}
