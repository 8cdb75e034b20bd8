// The HTTP client of the tests: real requests and complete answers; an error status does not throw.
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import type { ExecutionContext } from 'ava';

export type Json = Record<string, unknown>;
export type Form = Record<string, string | string[] | undefined>;

export interface RequestOptions {
  method?: string;
  /** The path exactly as sent; a URL object would normalise it. */
  path?: string;
  headers?: Record<string, string>;
  /** Sent as `application/x-www-form-urlencoded`; a list repeats its name. */
  form?: Form;
  json?: unknown;
  /** Sent unchanged. */
  body?: string | Buffer;
  /** Sends the body in pieces, without a Content-Length. */
  chunked?: boolean;
  /** Bearer token. */
  token?: string;
}

export interface Answer {
  status: number;
  headers: Record<string, string | undefined>;
  /** The body when it is JSON, else empty. */
  body: Json;
  text: string;
}

/** One request on a connection of its own. */
export async function send(url: string, question: RequestOptions = {}): Promise<Answer> {
  const { body, headers } = encode(question);
  const method = question.method ?? (body === undefined ? 'GET' : 'POST');
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const path = question.path === undefined ? {} : { path: question.path };
    const outgoing = request(url, { method, headers, agent: false, ...path });
    outgoing.once('response', resolve).once('error', reject);
    if (body !== undefined && question.chunked) outgoing.write(body.subarray(0, 10));
    outgoing.end(question.chunked ? body?.subarray(10) : body);
  });
  const content = await text(response);
  const given = Object.fromEntries(
    Object.entries(response.headers).map(([name, value]) => [name, value && String(value)]),
  );
  const isJson = /^application\/([a-z-]+\+)?json/.test(given['content-type'] ?? '');
  return {
    status: response.statusCode ?? 0,
    headers: given,
    body: isJson && content !== '' ? JSON.parse(content) : {},
    text: content,
  };
}

function encode({ headers, form, json, body, chunked, token }: RequestOptions) {
  const sent = form ? encodeForm(form) : json === undefined ? body : JSON.stringify(json);
  const bytes = sent === undefined ? undefined : Buffer.from(sent);
  const type = form
    ? 'application/x-www-form-urlencoded'
    : json === undefined
      ? undefined
      : 'application/json';
  return {
    body: bytes,
    headers: {
      ...(type ? { 'Content-Type': type } : {}),
      ...(bytes && !chunked ? { 'Content-Length': String(bytes.length) } : {}),
      ...(token ? { Authorization: `Bearer ${token}` } : {}),
      ...headers,
    },
  };
}

function encodeForm(form: Form): string {
  const pairs = Object.entries(form).flatMap(([name, value]) =>
    value === undefined ? [] : [value].flat().map((one): [string, string] => [name, one]),
  );
  return new URLSearchParams(pairs).toString();
}

export interface Refusal {
  status: number;
  error: string;
  reason?: string;
  /** Beside `session_ended`; where a test does not name it, any reason may stand there. */
  ended_reason?: string;
}

/** Texts that would reveal the implementation to an attacker. */
export const leaks =
  /\bat .+:\d+|\.ts\b|node_modules|select |insert |update .*set|sqlite|postgres|knex|constraint|violates|zod|argon/i;

/** Asserts that an answer is a refusal in the one shape of errors and reveals nothing more. */
export function assertRefused(
  t: ExecutionContext,
  answer: Answer,
  expected: Refusal,
  message?: string,
): void {
  const { error_description, request_id, ended_reason, ...rest } = answer.body;
  const isUnnamed = expected.reason === 'session_ended' && expected.ended_reason === undefined;
  const cause = ended_reason === undefined || isUnnamed ? {} : { ended_reason };
  t.deepEqual({ status: answer.status, ...rest, ...cause }, { ...expected }, message);
  if (ended_reason !== undefined) t.regex(String(ended_reason), /^[a-z_]+$/, message);
  t.regex(String(error_description), /^[^\n]{3,400}$/, message);
  t.is(request_id, answer.headers['x-request-id'], message);
  t.regex(String(request_id), /^[0-9a-f-]{36}$/, message);
  t.notRegex(answer.text, leaks, message);
  t.is(answer.headers['cache-control'], 'no-store', message);
  t.regex(String(answer.headers['content-type']), /^application\/json/, message);
  // A client that failed to authenticate gets a challenge only when it used the header (RFC 6749, 5.2).
  const { 'www-authenticate': said } = answer.headers;
  if (expected.status === 401 && (expected.error !== 'invalid_client' || said !== undefined)) {
    t.regex(String(said), /^(Basic|Bearer|DPoP) realm="/, message);
  }
}

/** The body of a 200; any other answer fails the test with its text. */
export function granted(answer: Answer): Json {
  if (answer.status !== 200) throw new Error(`${answer.status}: ${answer.text}`);
  return answer.body;
}
