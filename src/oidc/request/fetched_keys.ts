// The sets of keys (`jwks_uri`) that were fetched for clients: kept in memory for as long as their hosts allow, within
// bounds, and handed to the engine with the time that is left.
import { createLru } from '../../lib/lru.ts';
import { readAtMost } from './guarded_fetch.ts';

/** The longest time for which a document or a set of keys is kept, seconds: a revoked key stops working after it. */
export const longestLifetime = 3_600;

/** The shortest time, seconds, so that a host which allows no caching is not asked at every request. */
const shortestLifetime = 60;

/** The largest set of keys, bytes; some thirty long ones. */
const maxKeys = 64 * 1024;

interface KeySet {
  text: string;
  /** On the clock of `performance.now()`. */
  until: number;
}

/** The set of keys at a URL, from memory or, when none is fresh there, from `fetchKeys`. */
export function createKeyCache(): (url: string, fetchKeys: () => Promise<Response>) => Promise<Response> {
  const keySets = createLru<KeySet>(500);
  return async (url, fetchKeys) => {
    const known = keySets.get(url);
    if (known && known.until > performance.now()) return responseOf(known);
    const response = await fetchKeys();
    const lifetime = Math.min(longestLifetime, Math.max(shortestLifetime, lifetimeOf(response)));
    const text = await readAtMost(response, maxKeys);
    const fetched = { text, until: performance.now() + lifetime * 1000 };
    keySets.set(url, fetched);
    return responseOf(fetched);
  };
}

function lifetimeOf({ headers }: Response): number {
  const [, age] = /(?:^|,)\s*max-age\s*=\s*"?(\d{1,9})/i.exec(headers.get('cache-control') ?? '') ?? [];
  if (age !== undefined) return Number(age);
  const expires = Date.parse(headers.get('expires') ?? '');
  return Number.isNaN(expires) ? 0 : Math.floor((expires - Date.now()) / 1000);
}

// The engine keeps keys for as long as the response says.
function responseOf({ text, until }: KeySet): Response {
  const left = Math.max(0, Math.floor((until - performance.now()) / 1000));
  return new Response(text, { headers: { 'cache-control': `max-age=${left}` } });
}
