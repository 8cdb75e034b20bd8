// Forms of our pages are taken from our pages alone. A form on another site could otherwise log a user in as someone else, or
// click in the user's name; the cookies' SameSite keeps them from such a request, but does not keep it from setting one.
import type { Context, Middleware } from 'koa';
import type { Deps } from '../../core/deps.ts';
import { sendErrorPage } from './page_response.ts';

// Every path at which a page of ours sends a form. Routers take the letters of a path in either case.
const forms = /^\/(account|interaction)\/|^\/device(\/[\w-]+)?$|^\/logout\/confirm$/i;

/** Refuses forms that browsers say were sent from elsewhere, before anything of them is read. */
export function refuseCrossSiteForms(deps: Deps): Middleware {
  const own = new URL(deps.config.issuer).origin;
  return async (ctx, next) => {
    const isForm = ctx.method === 'POST' && forms.test(ctx.path) && ctx.path !== '/device/authorize';
    if (isForm && isForeign(ctx, own)) sendErrorPage(deps, ctx, 'foreign_form', 403);
    else await next();
  };
}

// No page can forge Sec-Fetch-Site, so where a browser sends it, it decides (`none` is a request that the user began). Browsers
// without it name the origin of a form that another site sent; `null` stands for an origin that they hide.
function isForeign(ctx: Context, own: string): boolean {
  const site = ctx.get('sec-fetch-site');
  if (site !== '') return site !== 'same-origin' && site !== 'none';
  const origin = ctx.get('origin');
  return origin !== '' && origin !== own;
}
