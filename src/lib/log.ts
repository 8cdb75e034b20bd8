// The process's log: JSON lines by pino, pretty in development only, secrets removed by the name of their key.
import { type Logger, pino } from 'pino';

export type Log = Logger;

const secretNames = new Set([
  'password',
  'new_password',
  'old_password',
  'current_password',
  'client_secret',
  'client_assertion',
  'access_token',
  'refresh_token',
  'id_token',
  'token',
  'code',
  'code_verifier',
  'authorization',
  'cookie',
  'set-cookie',
  'dpop',
  'push_token',
  'secret',
  'private_jwk',
  'password_hash',
]);

/** Opens the log. `pretty` is for a person at a terminal. */
export function createLog(options: { level: string; pretty?: boolean }): Log {
  return pino({
    level: options.level,
    base: null,
    formatters: { log: (line) => redact(line) as Record<string, unknown> },
    serializers: { err: describeError },
    ...(options.pretty
      ? { transport: { target: 'pino-pretty', options: { translateTime: 'HH:MM:ss' } } }
      : {}),
  });
}

/** A copy of `value` in which whatever stands under the name of a secret is replaced, at any depth. */
export function redact(value: unknown, depth = 0): unknown {
  if (depth > 8 || value === null || typeof value !== 'object' || value instanceof Date) return value;
  if (value instanceof Error) return describeError(value);
  if (Array.isArray(value)) return value.map((one) => redact(one, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      secretNames.has(key.toLowerCase()) ? '[redacted]' : redact(inner, depth + 1),
    ]),
  );
}

// Knex puts the bindings of a failed statement into the message; what is bound may be personal or secret.
function describeError(error: Error & { code?: string }): Record<string, unknown> {
  return {
    name: error.name,
    code: error.code,
    message: error.message.split(' - ').at(-1),
    stack: error.stack?.split('\n').slice(1).join('\n'),
    ...(error.cause instanceof Error ? { cause: describeError(error.cause) } : {}),
  };
}
