// Authorization and logout requests by POST (OpenID Connect Core 1.0, 3.1.2.1; RP-Initiated Logout 1.0, 2). The answer is a redirect
// to the same request by GET: browsers send our `SameSite=Lax` cookies with that, and not with a form of another site.
import type { Context, Middleware } from 'koa';
import type { Deps } from '../../core/deps.ts';
import { keepPostedRequest, takePostedRequest } from '../../core/engine_records/posted_requests.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import { AppError } from '../../lib/errors.ts';
import { networkOf } from '../../lib/network.ts';
import { takeRandom } from '../../lib/random.ts';
import { catchUnavailable, publicPath, redirect, sendErrorPage } from './page_response.ts';

const paths = new Set(['/authorize', '/logout']);

/** The parameter that stands for a request which is kept. */
const parameter = 'posted_request';

/**
 * The longest query in a redirect, characters. Proxies limit the headers of an answer, nginx for example to 4 KiB with its defaults;
 * the cookies and the other headers of the answer have to fit in as well.
 */
const longestQuery = 2_048;

/** The longest request that is kept, characters. */
const longestRequest = 16_384;

/** The most parameters, as in a query (http/middleware/request_limits.ts). */
const mostParameters = 50;

/**
 * Redirects a posted request to the same request by GET. Parameters that are too long for a URL are kept for a minute and become
 * the query of that GET again before the engine sees it: such a request is never a pushed request (RFC 9126).
 */
export function takePostedRequests(deps: Deps): Middleware {
  const guarded = catchUnavailable(deps);
  return async (ctx, next) => {
    if (!paths.has(ctx.path)) return await next();
    if (ctx.method === 'POST') return await guarded(ctx, async () => await asPage(deps, ctx, redirectPosted));
    if (ctx.method === 'GET' && ctx.query[parameter] !== undefined) {
      let isRestored = false;
      await guarded(ctx, async () => {
        isRestored = await restore(deps, ctx);
      });
      if (!isRestored) return;
    }
    await next();
  };
}

async function redirectPosted(deps: Deps, ctx: Context): Promise<void> {
  const query = await readQuery(deps, ctx);
  const target = publicPath(deps, ctx.path);
  if (query.length <= longestQuery) return redirect(ctx, query === '' ? target : `${target}?${query}`);
  await deps.limits.anonymousRecords.consume(networkOf(requestSourceOf(ctx).ip));
  const handle = takeRandom(32).toString('base64url');
  await keepPostedRequest(deps.db, deps.keyring, handle, { path: ctx.path, query });
  redirect(ctx, `${target}?${parameter}=${handle}`);
}

// The parameters of the URL and of the body together, so that one that stands in both is refused as a repeated one.
async function readQuery({ config }: Deps, ctx: Context): Promise<string> {
  if (ctx.get('content-type') !== '' && !ctx.is('application/x-www-form-urlencoded'))
    throw new AppError('unsupported_media_type', 'The body must be application/x-www-form-urlencoded.');
  const body = await readBody(ctx, config.bodyLimit);
  const parts = [ctx.querystring, body].filter((part) => part !== '').join('&');
  if (parts.length > 3 * longestRequest || countParameters(parts) > mostParameters) throw tooMuch();
  const parameters = new URLSearchParams(parts);
  parameters.delete(parameter);
  const query = parameters.toString();
  if (query.length > longestRequest) throw tooMuch();
  return query;
}

function tooMuch(): AppError {
  return new AppError('invalid_request', 'The request has too many parameters, or they are too long.');
}

function countParameters(text: string): number {
  return text.split('&', mostParameters + 1).length;
}

async function readBody(ctx: Context, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  // The connection stays open for the answer when the loop ends early.
  for await (const chunk of ctx.req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > limit) throw new AppError('body_too_large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

// False when the request is no longer kept; the answer is then the page that says so.
async function restore(deps: Deps, ctx: Context): Promise<boolean> {
  const handle = ctx.query[parameter];
  const kept = typeof handle === 'string' ? await takePostedRequest(deps.db, deps.keyring, handle) : null;
  if (!kept || kept.path !== ctx.path) {
    sendErrorPage(deps, ctx, 'page_expired', 400);
    return false;
  }
  ctx.querystring = kept.query;
  return true;
}

// A person sees a refusal as a page, a program as JSON.
async function asPage(
  deps: Deps,
  ctx: Context,
  step: (deps: Deps, ctx: Context) => Promise<void>,
): Promise<void> {
  try {
    await step(deps, ctx);
  } catch (error) {
    if (!(error instanceof AppError) || error.status >= 500 || ctx.accepts('json', 'html') !== 'html')
      throw error;
    const { status, message: description, retryAfter } = error;
    if (retryAfter !== undefined) ctx.set('Retry-After', String(retryAfter));
    sendErrorPage(deps, ctx, error.error, status, {
      description,
      ...(retryAfter === undefined ? {} : { retryAfter }),
    });
  }
}
