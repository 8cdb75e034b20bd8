// A link with a user code in it (RFC 8628, verification_uri_complete) opens our own page with the code filled in. The engine
// itself would answer with a page whose script submits the form.
import type { Middleware } from 'koa';

/** Moves the code from the query to `ctx.state.prefilledUserCode`, where the page finds it. */
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
