// The page for paths that do not exist. API clients get the error as JSON.
import type { Middleware } from 'koa';
import type { Deps } from '../../core/deps.ts';
import { sendErrorPage } from './page_response.ts';

/** The last middleware: sends the "not found" page to a browser when no other middleware has answered. */
export function sendNotFoundPage(deps: Deps): Middleware {
  return async (ctx, next) => {
    const isBrowser =
      ['GET', 'HEAD'].includes(ctx.method) &&
      !/^\/api(\/|$)/.test(ctx.path) &&
      ctx.accepts('json', 'html') === 'html';
    if (!isBrowser) return await next();
    sendErrorPage(deps, ctx, 'not_found', 404);
  };
}
