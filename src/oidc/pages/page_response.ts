// Answering with a page: its headers, the error pages, redirects.
import type { Context, Middleware } from 'koa';
import type { Deps } from '../../core/deps.ts';
import { isUnavailable, unavailable } from '../../core/store/database_errors.ts';
import { AppError } from '../../lib/errors.ts';
import type { Brand } from '../../pages/brand.ts';
import { contentSecurityPolicy } from '../../pages/csp.ts';
import { type ErrorPage, renderError } from '../../pages/error.ts';

/** The look of this deployment. */
export function brandOf({ config }: Deps): Brand {
  return { ...config.brand, basePath: config.issuerPath };
}

interface Shown {
  /** URLs that a form of the page may end at, beside our own. */
  formTargets?: string[];
  imageUrls?: string[];
  status?: number;
}

/** Answers with a page: its own Content-Security-Policy, never stored, never framed. */
export function sendPage(
  deps: Deps,
  ctx: Context,
  html: string,
  { formTargets, imageUrls, status }: Shown = {},
): void {
  ctx.status = status ?? 200;
  ctx.type = 'html';
  ctx.set('Cache-Control', 'no-store');
  ctx.set('Content-Security-Policy', contentSecurityPolicy(brandOf(deps), formTargets, imageUrls));
  ctx.body = html;
}

/** Answers with the error page. */
export function sendErrorPage(
  deps: Deps,
  ctx: Context,
  code: string,
  status: number,
  more: Omit<ErrorPage, 'code' | 'requestId' | 'homeUrl'> = {},
): void {
  const page = { code, requestId: ctx.state.requestId, homeUrl: publicPath(deps, '/account'), ...more };
  sendPage(deps, ctx, renderError(brandOf(deps), page), { status });
}

/** Answers with the error page that says to come again: the database is away. */
export function sendUnavailablePage(deps: Deps, ctx: Context): void {
  const { error, status, retryAfter = 1 } = unavailable(null);
  ctx.set('Retry-After', String(retryAfter));
  sendErrorPage(deps, ctx, error, status, { retryAfter });
}

/** Around our own pages: people read a page, also while the database is away or too many log in. */
export function catchUnavailable(deps: Deps): Middleware {
  return async (ctx, next) => {
    try {
      await next();
    } catch (err) {
      if (err instanceof AppError && err.code === 'overloaded') return sendUnavailablePage(deps, ctx);
      if (!isUnavailable(err)) throw err;
      deps.log.warn({ err, request_id: ctx.state.requestId }, 'the database is not available');
      sendUnavailablePage(deps, ctx);
    }
  };
}

/** Sends the browser on with a GET (RFC 9110, 303). */
export function redirect(ctx: Context, url: string): void {
  ctx.status = 303;
  ctx.set('Cache-Control', 'no-store');
  ctx.redirect(url);
  ctx.status = 303;
}

/** A path of ours as a browser sees it. */
export function publicPath({ config }: Pick<Deps, 'config'>, local: string): string {
  return `${config.issuerPath}${local}`;
}
