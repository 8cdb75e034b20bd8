// How a page is sent: its headers (Content-Security-Policy, no caching), error pages, redirects.
import type { Context, Middleware } from 'koa';
import type { Deps } from '../../core/deps.ts';
import { isUnavailable, unavailable } from '../../core/store/database_errors.ts';
import { AppError } from '../../lib/errors.ts';
import type { Brand } from '../../pages/brand.ts';
import { contentSecurityPolicy } from '../../pages/csp.ts';
import { type ErrorPage, renderError } from '../../pages/error.ts';

/** The name, logo and colours of this deployment. */
export function brandOf({ config }: Deps): Brand {
  return { ...config.brand, basePath: config.issuerPath };
}

interface PageOptions {
  /** Whether a form of the page ends at a client. */
  leadsToClient?: boolean;
  /** URLs of pictures on the page, besides the logo. */
  imageUrls?: string[];
  status?: number;
}

/** Sends a page with its own Content-Security-Policy; it cannot be cached or framed. */
export function sendPage(
  deps: Deps,
  ctx: Context,
  html: string,
  { status, ...policy }: PageOptions = {},
): void {
  ctx.status = status ?? 200;
  ctx.type = 'html';
  ctx.set('Cache-Control', 'no-store');
  ctx.set('Content-Security-Policy', contentSecurityPolicy(brandOf(deps), policy));
  ctx.body = html;
}

/** Sends the error page. */
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

/** Sends the error page that asks the user to try again later, because the database or the document of a client is unavailable. */
export function sendUnavailablePage(deps: Deps, ctx: Context, reason: AppError = unavailable(null)): void {
  const { code, error, status, retryAfter = 1 } = reason;
  ctx.set('Retry-After', String(retryAfter));
  sendErrorPage(deps, ctx, code === 'document_unavailable' ? code : error, status, { retryAfter });
}

/** Sends an error page instead of JSON while the database is unavailable or too many logins are in progress. */
export function catchUnavailable(deps: Deps): Middleware {
  return async (ctx, next) => {
    try {
      await next();
    } catch (err) {
      if (err instanceof AppError && err.code === 'overloaded') return sendUnavailablePage(deps, ctx);
      if (err instanceof AppError && err.code === 'document_unavailable')
        return sendUnavailablePage(deps, ctx, err);
      if (!isUnavailable(err)) throw err;
      deps.log.warn({ err, request_id: ctx.state.requestId }, 'the database is not available');
      sendUnavailablePage(deps, ctx);
    }
  };
}

/** Redirects the browser with a GET (RFC 9110, 303). */
export function redirect(ctx: Context, url: string): void {
  ctx.status = 303;
  ctx.set('Cache-Control', 'no-store');
  ctx.redirect(url);
  ctx.status = 303;
}

/** A path of ours as a browser sees it: below the path of the issuer. */
export function publicPath({ config }: Pick<Deps, 'config'>, local: string): string {
  return `${config.issuerPath}${local}`;
}
