// Checks that hold for every answer to any request.
import type { ExecutionContext } from 'ava';
import { leaks } from '../../helpers/client.ts';
import type { Exchange } from './request.ts';
import { evil } from './values.ts';

/** Paths whose errors are pages or redirects. */
const pages =
  /^\/(authorize|device|logout|interaction|account|recover|sign-up|invitation|verify-email|undo-email|not-me)(\/|$)/i;

// Texts of the implementation that no answer needs, successful ones included.
const inner = /\$argon2|\n +at |node:internal|node_modules|SQLITE_|"d":"|password_hash|"salt"|KINDRED_/;

/** The problem of an answer, or null. `secrets` belong to users that the request does not concern. */
export function problemOf({ sent, path, method, answer }: Exchange, secrets: string[]): string | null {
  const { status, text, headers } = answer;
  if (status >= 500) return `${status}`;
  const all = `${Object.values(headers).join('\n')}\n${text}`;
  const secret = secrets.find((one) => all.includes(one) && !sent.includes(one));
  if (secret) return `it tells the secret ${secret.slice(0, 12)}…`;
  const isPage = headers['content-type']?.startsWith('text/html') === true;
  const told = inner.exec(text)?.[0] ?? (status >= 400 && !isPage ? leaks.exec(text)?.[0] : undefined);
  if (told && !decoded(sent).includes(told)) return `it tells ${told}`;
  if (headers['x-injected']) return 'a header was smuggled in';
  if (isPage && /<script>alert|<img src=x/.test(text)) return 'HTML was smuggled in';
  if (goesTo(headers.location) === evil) return `it sends the browser to ${headers.location}`;
  return status >= 400 && method !== 'HEAD' ? problemOfShape(path, answer) : null;
}

/** An error is a page, or has the one shape of errors. */
function problemOfShape(path: string, { status, headers, body, text }: Exchange['answer']): string | null {
  // Node itself answers headers of more than 16 KiB.
  if (status === 431 && text === '') return null;
  const isHtml = headers['content-type']?.startsWith('text/html') === true;
  // A browser gets a page for a path that does not exist.
  if (isHtml && (pages.test(path) || (status === 404 && !/^\/api(\/|$)/.test(path)))) return null;
  const { error, error_description, reason, request_id, ...rest } = body;
  const isGood =
    typeof error === 'string' &&
    /^[a-z_]+$/.test(error) &&
    typeof error_description === 'string' &&
    error_description !== '' &&
    (reason === undefined || typeof reason === 'string') &&
    request_id === headers['x-request-id'] &&
    Object.keys(rest).length === 0;
  return isGood ? null : `an error of another shape: ${text.slice(0, 300)}`;
}

function decoded(sent: string): string {
  try {
    return sent + decodeURIComponent(sent.replaceAll('+', ' '));
  } catch {
    return sent;
  }
}

function goesTo(location: string | undefined): string | null {
  return location === undefined ? null : (URL.parse(location, 'http://127.0.0.1')?.hostname ?? null);
}

/** Asserts that a log consists of JSON lines, none with a failure or a secret. */
export function assertCleanLog(t: ExecutionContext, output: string, secrets: string[]): void {
  for (const line of output.split('\n').filter(Boolean)) {
    const told = secrets.find((one) => line.includes(one));
    t.is(told, undefined, `the log tells a secret: ${line.slice(0, 1_000)}`);
    // The engine's notice about its configuration, once per process.
    if (line.startsWith('oidc-provider WARNING: already parsed request body')) continue;
    const { level } = JSON.parse(line) as { level: number };
    t.true(level < 50, line.slice(0, 2_000));
  }
}
