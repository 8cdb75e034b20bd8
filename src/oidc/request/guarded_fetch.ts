// One HTTP request to a URL that a client chose: never to a reserved address unless the settings allow it, and without
// following redirects.
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import { Readable } from 'node:stream';
import { isReservedAddress, lookupPublic } from '../../lib/reserved_addresses.ts';

/**
 * Sends a request; resolves when the head of the response has arrived. With `isGuarded` it fails for a reserved address.
 * Uses Node's own client and not `fetch`, because that takes no `lookup`: the address is checked before anything is sent.
 */
export async function guardedFetch(url: URL, init: RequestInit, isGuarded: boolean): Promise<Response> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (isGuarded && isIP(host) !== 0 && isReservedAddress(host))
    throw new Error(`${host} is a reserved address`);
  const { method = 'GET', body, signal } = init;
  const headers = new Headers(init.headers);
  const text = body === undefined || body === null ? undefined : String(body);
  if (text !== undefined) headers.set('content-length', String(Buffer.byteLength(text)));
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  const send = url.protocol === 'https:' ? requestHttps : requestHttp;
  const request = send(url, {
    method,
    headers: Object.fromEntries(headers),
    agent: false,
    ...(signal ? { signal } : {}),
    ...(isGuarded ? { lookup: lookupPublic } : {}),
  });
  request.on('error', reject).on('response', (message) => {
    try {
      resolve(responseOf(message));
    } catch (error) {
      request.destroy();
      reject(error);
    }
  });
  request.end(text);
  return await promise;
}

function responseOf(message: IncomingMessage): Response {
  const status = message.statusCode ?? 0;
  // An error that ends the connection early reaches the reader of the body, if there is one.
  message.on('error', () => {});
  const hasBody = ![101, 204, 205, 304].includes(status);
  if (!hasBody) message.resume();
  const headers = Object.entries(message.headers).map(([name, value]): [string, string] => [
    name,
    String(value),
  ]);
  return new Response(hasBody ? (Readable.toWeb(message) as ReadableStream) : null, { status, headers });
}

/** The body as text; fails when it has more than `limit` bytes. */
export async function readAtMost({ body }: Response, limit: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > limit) throw new Error('the answer is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
