// The log of a process: JSON lines by pino, formatted for people in development only. Secrets are removed by the names of
// their keys.
import { destination, type Logger, type LoggerOptions, pino } from 'pino';

export type Log = Logger;

// Compared without case, underscores and dashes, so that `refresh_token`, `refreshToken` and `Set-Cookie` all match.
const secretNames = new Set([
  'password',
  'newpassword',
  'oldpassword',
  'currentpassword',
  'passwordhash',
  'secret',
  'secrets',
  'clientsecret',
  'devicesecret',
  'secretdigest',
  'clientassertion',
  'accesstoken',
  'refreshtoken',
  'idtoken',
  'idtokenhint',
  'registrationaccesstoken',
  'pushtoken',
  'token',
  'devicecode',
  'usercode',
  'codeverifier',
  'authorization',
  'cookie',
  'setcookie',
  'dpop',
  'privatejwk',
]);

/** Opens the log. `pretty` is for a terminal; `pid` adds the process id, where several processes write to one log. */
export function createLog(options: { level: string; pretty?: boolean; pid?: boolean }): Log {
  const settings: LoggerOptions = {
    level: options.level,
    base: options.pid ? { pid: process.pid } : null,
    formatters: { log: (line) => redact(line) as Record<string, unknown> },
    // `redact` has described `err` already; pino's own serializer would describe the description.
    serializers: { err: (described) => described },
    hooks: {
      logMethod(args, method, level) {
        method.apply(this, withOwnMessage(args as unknown[]) as typeof args);
        if (level >= errorLevel && !options.pretty) openOutput().flushSync();
      },
    },
  };
  if (!options.pretty) return pino(settings, openOutput());
  return pino({
    ...settings,
    transport: { target: 'pino-pretty', options: { translateTime: 'HH:MM:ss' } },
  });
}

/** Writes a line at once and at any level of the log: the start and the end of a process. */
export function logAtOnce(log: Log, line: object, message: string): void {
  log.child({}, { level: 'info' }).info(line, message);
  output?.flushSync();
}

// Errors are written at once, because the process may end right afterwards.
const errorLevel = 50;

type Output = ReturnType<typeof destination>;
let output: Output | undefined;

// Lines are buffered, because a write costs about as much as a query: they are written when 2 KiB have gathered, after a tenth
// of a second, and at the end. A process killed with -9 loses that much. One write stays below the 4096 bytes that a pipe
// takes in one piece even when other processes write to it.
function openOutput(): Output {
  if (output) return output;
  const opened = destination({ dest: 1, sync: true, minLength: 2_048, maxWrite: 4_096, periodicFlush: 100 });
  process.on('exit', () => opened.flushSync());
  output = opened;
  return opened;
}

// Keeps a line below 4096 bytes (except errors with causes): up to this size the system writes it in one piece, even when
// other workers write to the same pipe. The maxText texts are paths, which may be as long as Node's limit for headers.
const maxText = 1_000;

/** A copy of `value` in which every value under the name of a secret is replaced, at any depth; long texts are cut. */
export function redact(value: unknown, depth = 0, within = ''): unknown {
  if (typeof value === 'string') return cut(value);
  if (value === null || typeof value !== 'object' || value instanceof Date) return value;
  if (depth > 8) return '[too deep]';
  if (value instanceof Error) return describeError(value);
  if (Array.isArray(value)) return value.map((one) => redact(one, depth + 1, within));
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      isSecret(key, inner, within) ? '[redacted]' : redact(inner, depth + 1, key),
    ]),
  );
}

// Authorization codes and error codes share the name `code`. A value counts as an error code when it has the form of one
// (errno, Node, SQLite, SQLSTATE) and is not part of a request.
const errorCode = /^(E[A-Z0-9]{2,20}|(E|ERR|SQLITE)_[A-Z0-9_]{2,60}|[0-9A-Z]{5})$/;
const partsOfRequest = new Set(['query', 'body', 'params', 'parameters', 'form', 'search', 'url']);

function isSecret(key: string, value: unknown, within: string): boolean {
  if (key.toLowerCase() !== 'code') return isSecretName(key);
  return partsOfRequest.has(within.toLowerCase()) || typeof value !== 'string' || !errorCode.test(value);
}

// Caches the answers, because most lines have the same names. Bounded, because requests may contain any name.
const known = new Map<string, boolean>();

function isSecretName(key: string): boolean {
  const cached = known.get(key);
  if (cached !== undefined) return cached;
  const isSecret = secretNames.has(key.toLowerCase().replaceAll(/[_-]/g, ''));
  if (known.size < 1_000) known.set(key, isSecret);
  return isSecret;
}

function cut(text: string): string {
  return text.length > maxText ? `${text.slice(0, maxText)}…` : text;
}

// pino would give a line without a message the raw message of its error; this gives it the public part only.
function withOwnMessage(args: unknown[]): unknown[] {
  const [first, message] = args;
  const error = first instanceof Error ? first : (first as { err?: unknown } | null | undefined)?.err;
  return error instanceof Error && message === undefined ? [first, publicMessage(error)] : args;
}

// Knex puts the bindings of a failed statement into the message; bound values may be personal or secret.
function publicMessage(error: Error): string | undefined {
  return error.message.split(' - ').at(-1);
}

function describeError(error: Error & { code?: string }): Record<string, unknown> {
  return {
    name: error.name,
    code: error.code,
    message: cut(publicMessage(error) ?? ''),
    // Only the frames: the stack begins with the message, on as many lines as the statement has.
    stack: error.stack
      ?.split('\n')
      .filter((line) => /^\s+at /.test(line))
      .join('\n'),
    ...(error.cause instanceof Error ? { cause: describeError(error.cause) } : {}),
  };
}
