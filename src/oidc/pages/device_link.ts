// A link with a device code in it opens our own page with the code filled in. The engine would answer with a bare page whose
// script sends the form on.
import type { Middleware } from 'koa';

/** Takes the code out of the link and leaves it for the page. */
export const takeUserCode: Middleware = async (ctx, next) => {
  if (ctx.path === '/device' && ctx.method === 'GET') {
    const { user_code } = ctx.query;
    if (typeof user_code === 'string') {
      ctx.state.prefilledUserCode = user_code.slice(0, 40);
      ctx.querystring = '';
    }
  }
  await next();
};
