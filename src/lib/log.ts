// The process's log: JSON lines by pino, pretty in development only, secrets removed by the name of their key.
import { destination, type Logger, type LoggerOptions, pino } from 'pino';

export type Log = Logger;

// Without case, underscores and dashes, so that `refresh_token`, `refreshToken` and `Set-Cookie` are all known.
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

/** Opens the log. `pretty` is for a person at a terminal; `pid` tells processes apart that write to one log. */
export function createLog(options: { level: string; pretty?: boolean; pid?: boolean }): Log {
  const settings: LoggerOptions = {
    level: options.level,
    base: options.pid ? { pid: process.pid } : null,
    formatters: { log: (line) => redact(line) as Record<string, unknown> },
    // By now `err` is described; pino's own serializer would describe the description.
    serializers: { err: (described) => described },
    hooks: {
      logMethod(args, method, level) {
        method.apply(this, withOwnMessage(args as unknown[]) as typeof args);
        if (level >= urgent && !options.pretty) openOutput().flushSync();
      },
    },
  };
  if (!options.pretty) return pino(settings, openOutput());
  return pino({
    ...settings,
    transport: { target: 'pino-pretty', options: { translateTime: 'HH:MM:ss' } },
  });
}

/** Writes a line whatever the level of the log is, and at once: that a process starts, that it ends. */
export function logAtOnce(log: Log, line: object, message: string): void {
  log.child({}, { level: 'info' }).info(line, message);
  output?.flushSync();
}

// Errors are written at once: they may be the last words of a process.
const urgent = 50;

type Output = ReturnType<typeof destination>;
let output: Output | undefined;

// Lines go out some at a time, since each write costs about as much as asking the database: when there are 2 KiB of
// them, after a tenth of a second, and at the end. Who kills the process with -9 loses that much. What is written at once
// stays below the 4096 bytes that a pipe takes in one piece, whoever else writes to it.
function openOutput(): Output {
  if (output) return output;
  const opened = destination({ dest: 1, sync: true, minLength: 2_048, maxWrite: 4_096, periodicFlush: 100 });
  process.on('exit', () => opened.flushSync());
  output = opened;
  return opened;
}

// So that a line keeps below 4096 bytes (but for errors with causes): up to there the system writes it in one piece,
// whatever other workers write to the same pipe. The longest texts are paths, up to what Node takes as headers.
const longest = 1_000;

/** A copy of `value` in which whatever stands under the name of a secret is replaced, at any depth; long texts are cut. */
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

// An authorization code and the code of an error have the same name. It is an error's when it looks like one (errno,
// Node, SQLite, SQLSTATE) and is no part of what a request sent.
const errorCode = /^(E[A-Z0-9]{2,20}|(E|ERR|SQLITE)_[A-Z0-9_]{2,60}|[0-9A-Z]{5})$/;
const partsOfRequest = new Set(['query', 'body', 'params', 'parameters', 'form', 'search', 'url']);

function isSecret(key: string, value: unknown, within: string): boolean {
  if (key.toLowerCase() !== 'code') return isSecretName(key);
  return partsOfRequest.has(within.toLowerCase()) || typeof value !== 'string' || !errorCode.test(value);
}

// Nearly every line has the names of the line before; what strangers name must not fill our memory.
const judged = new Map<string, boolean>();

function isSecretName(key: string): boolean {
  const known = judged.get(key);
  if (known !== undefined) return known;
  const isSecret = secretNames.has(key.toLowerCase().replaceAll(/[_-]/g, ''));
  if (judged.size < 1_000) judged.set(key, isSecret);
  return isSecret;
}

function cut(text: string): string {
  return text.length > longest ? `${text.slice(0, longest)}…` : text;
}

// A line without a message gets the raw message of its error from pino; ours comes first.
function withOwnMessage(args: unknown[]): unknown[] {
  const [first, message] = args;
  const error = first instanceof Error ? first : (first as { err?: unknown } | null | undefined)?.err;
  return error instanceof Error && message === undefined ? [first, publicMessage(error)] : args;
}

// Knex puts the bindings of a failed statement into the message; what is bound may be personal or secret.
function publicMessage(error: Error): string | undefined {
  return error.message.split(' - ').at(-1);
}

function describeError(error: Error & { code?: string }): Record<string, unknown> {
  return {
    name: error.name,
    code: error.code,
    message: cut(publicMessage(error) ?? ''),
    // Only the frames: above them the stack repeats the message, on as many lines as the statement has.
    stack: error.stack
      ?.split('\n')
      .filter((line) => /^\s+at /.test(line))
      .join('\n'),
    ...(error.cause instanceof Error ? { cause: describeError(error.cause) } : {}),
  };
}
