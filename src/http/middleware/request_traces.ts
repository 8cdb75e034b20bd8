// The trace of each request: its route, status and id, nothing else that a client sent.
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
