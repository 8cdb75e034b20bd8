// Refuses forms that another site sends to our pages (CSRF). Such a form could log a user in as someone else or act in the
// user's name. SameSite keeps our cookies out of such a request, but does not stop its response from setting a cookie.
import type { Context, Middleware } from 'koa';
import type { Deps } from '../../core/deps.ts';
import { linkPaths } from '../../lib/link_paths.ts';
import { sendErrorPage } from './page_response.ts';

// Every path to which a page of ours sends a form. The routers ignore the case of a path.
const formPaths = new RegExp(
  `^/(account|interaction)/|^/device(/[\\w-]+)?$|^/logout/confirm$|^/(${linkPaths.join('|')})(/|$)`,
  'i',
);
const links = new RegExp(`^/(${linkPaths.join('|')})(/|$)`, 'i');

/** Refuses a form that the browser says was sent from another site, before its body is read. */
export function refuseCrossSiteForms(deps: Deps): Middleware {
  const own = new URL(deps.config.issuer).origin;
  return async (ctx, next) => {
    const isForm = ctx.method === 'POST' && formPaths.test(ctx.path) && ctx.path !== '/device/authorize';
    if (isForm && isCrossSite(ctx, own)) sendErrorPage(deps, ctx, 'foreign_form', 403);
    else await next();
  };
}

// No page can forge Sec-Fetch-Site, so it decides where the browser sends it (`none` means that the user started the
// request). Browsers without it send the Origin of a form from another site; `null` stands for a hidden origin, which is also what a
// page without a referrer sends. The form of a link is taken then: it carries the secret of the link, or does what anybody may do.
function isCrossSite(ctx: Context, own: string): boolean {
  const site = ctx.get('sec-fetch-site');
  if (site !== '') return site !== 'same-origin' && site !== 'none';
  const origin = ctx.get('origin');
  if (origin === 'null' && links.test(ctx.path)) return false;
  return origin !== '' && origin !== own;
}
