// What the engine fetches for clients: metadata documents, keys, and the delivery of logout tokens. The URLs are strangers'
// words, so nothing is asked at reserved addresses, no redirect is followed, and a failure says neither why nor how soon it
// was certain: names and ports inside must not be told apart.
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { errors, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import { clientIdLength } from '../../core/clients/client_metadata.ts';
import { findClient } from '../../core/clients/clients.ts';
import type { Deps } from '../../core/deps.ts';
import { createLru } from '../../lib/lru.ts';
import { networkOf } from '../../lib/network.ts';
import { isReservedAddress, lookupPublic } from '../../lib/reserved_addresses.ts';
import { clientRow } from './context.ts';
import { limited } from './errors.ts';

/** Milliseconds that a failed fetch takes, however soon it failed: the engine's own time limit. */
const patience = 2_500;

/** Milliseconds for which a document that could not be fetched is not asked for again. */
const pause = 10_000;

/** Seconds for which documents and keys are believed, whatever their hosts say: a key that was taken back is dead then. */
export const longestBelief = 3_600;

const shortestBelief = 60;

/** Bytes of a document, the engine's own limit. */
const maxDocument = 5 * 1024;

/** Bytes of a set of keys; some thirty large ones. */
const maxKeys = 64 * 1024;

interface Options {
  method?: string;
  headers?: Headers;
  body?: unknown;
  redirect?: string;
  signal?: AbortSignal;
}

interface Kept {
  text: string;
  /** On the clock of `performance.now()`. */
  until: number;
}

export interface Outgoing {
  /** For the engine's `fetch`. */
  fetch: (url: string, options: Options) => Promise<Response>;
  /** For the engine's `allowFetch`: whether this client's document may be fetched now. */
  allowDocument: (ctx: KoaContextWithOIDC | undefined, client_id: string) => Promise<boolean>;
  /** When this client's document was fetched; long ago when that is not known any more. */
  fetchedAt: (client_id: string) => Date;
}

/** What the engine of these services asks others by. */
export function createOutgoing(deps: Deps): Outgoing {
  const { config, db, clock } = deps;
  const isGuarded = !config.fetchPrivateAddresses;
  // Of more documents than the engine keeps.
  const fetched = createLru<number>(1_000);
  const failed = createLru<number>(1_000);
  const keys = createLru<Kept>(500);

  async function fetchOrFail(url: string, options: Options): Promise<Response> {
    const begun = performance.now();
    const response = await ask(new URL(url), options, isGuarded).catch(() => null);
    if (response?.status === 200) return response;
    await response?.body?.cancel().catch(() => {});
    await sleep(Math.max(0, begun + patience - performance.now()));
    failed.set(url, performance.now() + pause);
    throw new Error('the fetch failed');
  }

  async function fetchDocument(url: string, options: Options): Promise<Response> {
    fetched.set(url, clock.now());
    return await withoutEmptyMembers(await fetchOrFail(url, options));
  }

  async function fetchKeys(url: string, options: Options): Promise<Response> {
    const kept = keys.get(url);
    if (kept && kept.until > performance.now()) return keptResponse(kept);
    const ctx = Provider.ctx as KoaContextWithOIDC | undefined;
    if (ctx && !isVouched(ctx)) await countFetch(deps, ctx);
    const response = await fetchOrFail(url, options);
    const belief = Math.min(longestBelief, Math.max(shortestBelief, lifetimeOf(response)));
    const made = { text: await readAtMost(response, maxKeys), until: performance.now() + belief * 1000 };
    keys.set(url, made);
    return keptResponse(made);
  }

  return {
    async fetch(url, options) {
      if ((options.method ?? 'GET') !== 'GET') return await ask(new URL(url), options, isGuarded);
      return await (isForDocument(options) ? fetchDocument(url, options) : fetchKeys(url, options));
    },
    fetchedAt: (client_id) => new Date(fetched.get(client_id) ?? 0),
    // Our own pages ask outside of any request of the engine's, about clients that one has just named.
    async allowDocument(ctx, client_id) {
      if (client_id.length > clientIdLength) return false;
      if ((failed.get(client_id) ?? 0) > performance.now())
        throw new errors.InvalidClient('client_id metadata document fetch failed');
      const row = await findClient(db, client_id);
      if (row?.blocked_at) return false;
      // One that somebody has logged in with is not a stranger's invention, and must go on while strangers invent others.
      if (!row && ctx) await countFetch(deps, ctx);
      return true;
    },
  };
}

// Not by the URL: a stranger may name the address of a client's keys as a client. Of what the engine asks for, it forbids
// redirects for documents alone.
function isForDocument({ redirect }: Options): boolean {
  return redirect === 'manual';
}

async function countFetch({ limits }: Deps, { ip }: KoaContextWithOIDC): Promise<void> {
  await limited(limits.fetch.consume(networkOf(ip)));
  await limited(limits.fetchTotal.consume());
}

// The keys of a client that an administrator vouches for must be had while strangers have others fetched.
function isVouched({ oidc: { client } }: KoaContextWithOIDC): boolean {
  return client !== undefined && clientRow(client).registered_by === 'admin';
}

function lifetimeOf({ headers }: Response): number {
  const [, age] = /(?:^|,)\s*max-age\s*=\s*"?(\d{1,9})/i.exec(headers.get('cache-control') ?? '') ?? [];
  if (age !== undefined) return Number(age);
  const expires = Date.parse(headers.get('expires') ?? '');
  return Number.isNaN(expires) ? 0 : Math.floor((expires - Date.now()) / 1000);
}

// The engine keeps keys for as long as the answer says.
function keptResponse({ text, until }: Kept): Response {
  const left = Math.max(0, Math.floor((until - performance.now()) / 1000));
  return new Response(text, { headers: { 'cache-control': `max-age=${left}` } });
}

async function readAtMost({ body }: Response, limit: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > limit) throw new Error('the answer is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

// Members that are null or empty count as absent (suitable_metadata.ts); the engine would judge them first.
async function withoutEmptyMembers(response: Response): Promise<Response> {
  const text = await readAtMost(response, maxDocument);
  const headers = ['cache-control', 'expires'].map((name) => [name, response.headers.get(name) ?? '']);
  return new Response(withoutEmpty(text), {
    headers: headers.filter(([, value]) => value) as [string, string][],
  });
}

function withoutEmpty(text: string): string {
  try {
    const said: unknown = JSON.parse(text);
    if (typeof said !== 'object' || said === null || Array.isArray(said)) return text;
    return JSON.stringify(
      Object.fromEntries(Object.entries(said).filter(([, value]) => value !== null && value !== '')),
    );
  } catch {
    return text;
  }
}

// Node's own client and not `fetch`, because it takes a `lookup`: the address is judged before anything is sent to it.
async function ask(url: URL, options: Options, isGuarded: boolean): Promise<Response> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (isGuarded && isIP(host) !== 0 && isReservedAddress(host))
    throw new Error(`${host} is a reserved address`);
  const { method = 'GET', headers = new Headers(), body, signal } = options;
  const text = body === undefined ? undefined : String(body);
  if (text !== undefined) headers.set('content-length', String(Buffer.byteLength(text)));
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  const request = url.protocol === 'https:' ? requestHttps : requestHttp;
  const asked = request(url, {
    method,
    headers: Object.fromEntries(headers),
    agent: false,
    ...(signal ? { signal } : {}),
    ...(isGuarded ? { lookup: lookupPublic } : {}),
  });
  asked.on('error', reject).on('response', (message) => {
    const status = message.statusCode ?? 0;
    // What ends a connection early is an error of the body, if somebody still reads it.
    message.on('error', () => {});
    const hasBody = ![101, 204, 205, 304].includes(status);
    if (!hasBody) message.resume();
    const given = Object.entries(message.headers).map(([name, value]): [string, string] => [
      name,
      String(value),
    ]);
    try {
      resolve(
        new Response(hasBody ? (Readable.toWeb(message) as ReadableStream) : null, {
          status,
          headers: given,
        }),
      );
    } catch (error) {
      asked.destroy();
      reject(error);
    }
  });
  asked.end(text);
  return await promise;
}
