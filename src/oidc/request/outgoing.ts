// What the engine fetches for clients: metadata documents, keys, and the delivery of logout tokens. Anyone may name the URLs,
// so nothing is sent to reserved addresses, no redirect is followed, and a failure reveals neither its cause nor, by its
// duration, how far the request got: an attacker must not find out names and ports of the internal network.
import { setTimeout as sleep } from 'node:timers/promises';
import { type KoaContextWithOIDC, Provider } from 'oidc-provider';
import { clientIdLength } from '../../core/clients/client_metadata.ts';
import { findClient } from '../../core/clients/clients.ts';
import { isDocumentId } from '../../core/clients/document_clients.ts';
import type { Deps } from '../../core/deps.ts';
import { AppError } from '../../lib/errors.ts';
import { createLru } from '../../lib/lru.ts';
import { networkOf } from '../../lib/network.ts';
import { clientRow } from './context.ts';
import { asRateLimitError } from './errors.ts';
import { createKeyCache, longestLifetime } from './fetched_keys.ts';
import { guardedFetch, readAtMost } from './guarded_fetch.ts';

/** How long a failed fetch takes at least, milliseconds; the engine's own time limit. */
const failureDuration = 2_500;

/** How long a document that could not be fetched is not fetched again, milliseconds. */
const failurePause = 10_000;

/** The same for a request that can be answered with the stored metadata: it should rarely wait for a host that is away. */
const storedPause = 300_000;

/** The largest document, bytes; the engine's own limit. */
const maxDocument = 5 * 1024;

export interface Outgoing {
  /** For the engine's `fetch`. */
  fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** For the engine's `allowFetch`: whether this client's document may be fetched now. */
  allowDocument: (ctx: KoaContextWithOIDC | undefined, client_id: string) => Promise<boolean>;
  /** When this client's document was last fetched; the epoch where that is no longer known. */
  fetchedAt: (client_id: string) => Date;
  /** Whether this client's document should be read again although its metadata are stored. */
  isDue: (client_id: string) => boolean;
}

/** The requests that the engine sends to others. */
export function createOutgoing(deps: Deps): Outgoing {
  const { config, db, clock } = deps;
  const isGuarded = !config.fetchPrivateAddresses;
  const past = createPastFetches();
  const findKeys = createKeyCache();

  async function fetchOrFail(url: string, init: RequestInit): Promise<Response> {
    const startedAt = performance.now();
    const response = await guardedFetch(new URL(url), init, isGuarded).catch(() => null);
    if (response?.status === 200) return response;
    await response?.body?.cancel().catch(() => {});
    await sleep(Math.max(0, startedAt + failureDuration - performance.now()));
    past.noteFailure(url);
    throw new Error('the fetch failed');
  }

  async function fetchDocument(url: string, init: RequestInit): Promise<Response> {
    const startedAt = clock.now();
    const document = await withoutEmptyMembers(await fetchOrFail(url, init));
    past.noteSuccess(url, startedAt);
    return document;
  }

  async function fetchKeys(url: string, init: RequestInit): Promise<Response> {
    const ctx = Provider.ctx as KoaContextWithOIDC | undefined;
    if (ctx && !isVouched(ctx)) await countFetch(deps, ctx);
    return await fetchOrFail(url, init);
  }

  return {
    async fetch(url, init) {
      if ((init.method ?? 'GET') !== 'GET') return await guardedFetch(new URL(url), init, isGuarded);
      if (isForDocument(init)) return await fetchDocument(url, init);
      return await findKeys(url, async () => await fetchKeys(url, init));
    },
    fetchedAt: past.fetchedAt,
    isDue: (client_id) => past.isDue(client_id, clock.now()),
    // Our own pages call this outside of any request of the engine, about clients that such a request has just named.
    async allowDocument(ctx, client_id) {
      if (!isDocumentId(client_id) || client_id.length > clientIdLength) return false;
      const row = await findClient(db, client_id);
      if (row?.blocked_at) return false;
      if (past.hasFailedWithin(client_id, failurePause)) throw documentUnavailable();
      // A client with a row has had a login. It is not counted, so that invented clients cannot use up its allowance.
      if (!row && ctx) await countFetch(deps, ctx);
      return true;
    },
  };
}

// When documents were fetched, and when a fetch last failed, by the monotonic clock. More documents than the engine keeps.
function createPastFetches() {
  const fetched = createLru<number>(1_000);
  const failed = createLru<number>(1_000);
  const fetchedAt = (url: string) => new Date(fetched.get(url) ?? 0);
  const hasFailedWithin = (url: string, pause: number) =>
    (failed.get(url) ?? Number.NEGATIVE_INFINITY) + pause > performance.now();
  return {
    noteSuccess: (url: string, startedAt: number) => fetched.set(url, startedAt),
    noteFailure: (url: string) => failed.set(url, performance.now()),
    fetchedAt,
    hasFailedWithin,
    isDue: (url: string, now: number) =>
      now - fetchedAt(url).getTime() >= longestLifetime * 1000 && !hasFailedWithin(url, storedPause),
  };
}

/** The refusal of a request that needs a document which cannot be fetched. The client is not at fault, so it may try again. */
export function documentUnavailable(): AppError {
  return new AppError('document_unavailable', undefined, { retryAfter: failurePause / 1000 });
}

// The engine forbids redirects for documents alone. The URL does not show which it is: anyone may send the address of a client's
// keys as a client_id.
function isForDocument({ redirect }: RequestInit): boolean {
  return redirect === 'manual';
}

async function countFetch({ limits }: Deps, { ip }: KoaContextWithOIDC): Promise<void> {
  await asRateLimitError(limits.fetch.consume(networkOf(ip)));
  await asRateLimitError(limits.fetchTotal.consume());
}

// The keys of a client that an administrator vouches for can be fetched while others use up the allowance.
function isVouched({ oidc: { client } }: KoaContextWithOIDC): boolean {
  return client !== undefined && clientRow(client).registered_by === 'admin';
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
    const document: unknown = JSON.parse(text);
    if (typeof document !== 'object' || document === null || Array.isArray(document)) return text;
    return JSON.stringify(
      Object.fromEntries(Object.entries(document).filter(([, value]) => value !== null && value !== '')),
    );
  } catch {
    return text;
  }
}
