// What each request adds to the traces: its route, its status and its id, nothing that somebody sent.
import type { Middleware } from 'koa';
import type { Tracing } from '../../lib/tracing.ts';
import { methodOf, routeOf } from './request_metrics.ts';

/** Answers each request within a span. */
export function traceRequests(tracing: Tracing): Middleware {
  return async (ctx, next) => {
    await tracing.request(methodOf(ctx), ctx.headers, async () => {
      await next();
      return { route: routeOf(ctx), status: ctx.status, request_id: String(ctx.state.requestId) };
    });
  };
}
