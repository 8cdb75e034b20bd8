// A generated request as plain data, and how it is sent.
import { type Answer, send } from '../../helpers/client.ts';
import { type References, resolve } from './references.ts';

export type Pair = [name: string, value: string];

export type Body =
  | { kind: 'none' }
  | { kind: 'form'; fields: Pair[] }
  | { kind: 'json'; value: unknown }
  | { kind: 'text'; text: string }
  | { kind: 'bytes'; bytes: number[] };

export interface FuzzRequest {
  method: string;
  /** Segments, decoded; they are sent encoded. */
  path: string[];
  query: Pair[];
  /** Whether query and form are sent as they are, broken percent signs included. */
  isRaw: boolean;
  headers: Pair[];
  body: Body;
}

/** The sent request and its answer. */
export interface Exchange {
  sent: string;
  path: string;
  method: string;
  answer: Answer;
}

/** Milliseconds without an answer after which a server counts as hanging, even on a busy machine. */
const patience = 120_000;

/** Sends one request to the server at `url`. */
export async function sendFuzzed(
  url: string,
  request: FuzzRequest,
  references: References,
): Promise<Exchange> {
  const fill = (text: string) => resolve(text, references);
  const encode = (text: string) => (request.isRaw ? printable(fill(text)) : percent(fill(text)));
  const pairs = (list: Pair[]) => list.map(([name, value]) => `${encode(name)}=${encode(value)}`).join('&');
  const path = `/${request.path.map((segment) => percent(fill(segment))).join('/')}`;
  const query = request.query.length > 0 ? `?${pairs(request.query)}` : '';
  const body = encodeBody(request.body, fill, pairs);
  const headers = Object.fromEntries(
    request.headers.map(([name, value]) => [name, headerValue(fill(value))]),
  );
  const timer = AbortSignal.timeout(patience);
  const answer = await Promise.race([
    send(url, {
      method: request.method,
      path: path + query,
      headers,
      ...(body === undefined ? {} : { body }),
    }),
    new Promise<never>((_, reject) => {
      timer.onabort = () => reject(new Error(`no answer: ${request.method} ${path}`));
    }),
  ]);
  const sent = [path + query, ...Object.values(headers), body?.toString() ?? ''].join('\n');
  return { sent, path, method: request.method, answer };
}

function encodeBody(
  body: Body,
  fill: (text: string) => string,
  pairs: (list: Pair[]) => string,
): Buffer | undefined {
  if (body.kind === 'none') return undefined;
  if (body.kind === 'bytes') return Buffer.from(body.bytes);
  if (body.kind === 'form') return Buffer.from(pairs(body.fields));
  return Buffer.from(fill(body.kind === 'text' ? body.text : JSON.stringify(body.value)));
}

// The bytes of a lone surrogate in WTF-8, which encodeURIComponent refuses.
function percent(text: string): string {
  return [...text]
    .map((one) => {
      if (/[\w.~-]/.test(one)) return one;
      const code = one.codePointAt(0) ?? 0;
      const isLone = code >= 0xd800 && code <= 0xdfff;
      const bytes = isLone
        ? Buffer.of(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f))
        : Buffer.from(one);
      return [...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
    })
    .join('');
}

// Unchanged, except for characters that no HTTP client can put into a request line.
function printable(text: string): string {
  return text.replaceAll(/[^\x21-\x7e]|#/g, '%');
}

function headerValue(text: string): string {
  return Buffer.from(text)
    .toString('latin1')
    .replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, '?')
    .slice(0, 6_000);
}
