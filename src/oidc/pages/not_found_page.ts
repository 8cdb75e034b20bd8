// Addresses that do not exist, as people see them. Programs get the error in JSON.
import type { Middleware } from 'koa';
import type { Deps } from '../../core/deps.ts';
import { sendErrorPage } from './page_response.ts';

/** The last middleware: answers a browser that nothing else has answered with a page. */
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
