// The metrics of each request. The label for its route is a route that exists, never the path that a client sent.
import type { Context, Middleware } from 'koa';
import type { Metrics, RefreshOutcome } from '../../lib/metrics.ts';

/** Counts requests by method, route and status, and refresh tokens that were refused. */
export function measureRequests(metrics: Metrics): Middleware {
  return async (ctx, next) => {
    const start = performance.now();
    await next();
    const request = { method: methodOf(ctx), route: routeOf(ctx), status: ctx.status };
    metrics.countRequest(request, (performance.now() - start) / 1000);
    if (ctx.status === 429) metrics.countRateLimited(request.route);
    const outcome = refusedRefresh(ctx);
    if (outcome) metrics.countRefresh(outcome);
  };
}

const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** The method of a request, or `other` for one that no route has. */
export function methodOf({ method }: Context): string {
  return methods.has(method) ? method : 'other';
}

/** The route of a request as the OpenAPI document writes it, the engine's path, or `other`. */
export function routeOf(ctx: Context): string {
  const { _matchedRoute: matched } = ctx as Context & { _matchedRoute?: unknown };
  if (typeof matched === 'string') return matched.replaceAll(/:(\w+)/g, '{$1}');
  return typeof ctx.state.route === 'string' ? ctx.state.route : 'other';
}

// Rotated, retried and reused refresh tokens are counted from the audit events; these refusals leave no event.
function refusedRefresh(ctx: Context): RefreshOutcome | null {
  const { oidc, state } = ctx as Context & { oidc?: { params?: { grant_type?: unknown } } };
  const grant_type: unknown = state.grantType ?? oidc?.params?.grant_type;
  if (grant_type !== 'refresh_token' || ctx.status !== 400) return null;
  if ((ctx.body as { error?: unknown } | null)?.error !== 'invalid_grant') return null;
  const reason: unknown = ctx.state.reason;
  if (reason === 'token_reused') return null;
  if (reason === 'session_expired') return 'expired';
  return reason === undefined ? 'unknown' : 'ended';
}
