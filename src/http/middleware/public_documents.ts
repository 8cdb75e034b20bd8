// The documents that anyone may read and that seldom change, the keys and the metadata: how long a cache may keep them.
import { createHash } from 'node:crypto';
import type { Context } from 'koa';
import type { Config } from '../../../config/index.ts';

/** Whether a path of the engine is one of these documents. */
export function isPublicDocument(path: string): boolean {
  return path === '/jwks' || path.startsWith('/.well-known/');
}

/** The longest that a cache may keep a document, seconds. */
const longest = 300;

/**
 * Lets caches keep the document for at most half of `SIGNING_KEY_LEAD`, so that every verifier has read a new key before it
 * signs. A caller that has the same document already (`If-None-Match`) is answered with 304.
 */
export function letCachesKeep({ signingKeyLead }: Pick<Config, 'signingKeyLead'>, ctx: Context): void {
  if (ctx.status !== 200 || !['GET', 'HEAD'].includes(ctx.method)) return;
  ctx.set('Cache-Control', `public, max-age=${Math.min(longest, Math.floor(signingKeyLead / 2))}`);
  ctx.set('ETag', `"${createHash('sha256').update(JSON.stringify(ctx.body)).digest('base64url')}"`);
  if (ctx.fresh) ctx.status = 304;
}
