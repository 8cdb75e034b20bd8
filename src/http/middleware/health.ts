// Health for supervisors and load balancers: whether the process is up, whether it can work, and whether it is draining.
import type { Context, Middleware } from 'koa';
import type { Deps } from '../../core/deps.ts';
import { createReadinessCheck } from '../../core/store/readiness.ts';
import { type StandbyState, standbyOf } from '../../core/store/standby.ts';
import { AppError } from '../../lib/errors.ts';
import { memoize } from '../../lib/memoize.ts';

/**
 * Answers `/healthz` and `/readyz`, before the log and the metrics: probes come every few seconds and would fill them. The paths
 * are public, so the database is queried once a second at most.
 */
export function answerHealth({ db }: Deps, isDraining: () => boolean): Middleware {
  // The third argument keeps the second fixed: a slow check during an outage must not prolong how long its answer is kept.
  const checkReadiness = memoize(createReadinessCheck(db), 1_000, 0);
  const answerProbe: Middleware = async (ctx, next) => {
    if (ctx.path === '/healthz') return answer(ctx, true, { status: 'ok' });
    if (ctx.path !== '/readyz') return await next();
    if (isDraining()) return answer(ctx, false, { status: 'draining' });
    const checks = await checkReadiness();
    const isReady = Object.values(checks).every(Boolean);
    answer(ctx, isReady, { status: isReady ? 'ready' : 'not_ready', checks, ...describeStandby(db) });
  };
  return (ctx, next) => {
    if (ctx.method === 'GET' || ctx.method === 'HEAD') return answerProbe(ctx, next);
    return ctx.path === '/healthz' || ctx.path === '/readyz' ? refuseMethod(ctx) : next();
  };
}

function refuseMethod(ctx: Context): void {
  const { status, error, message } = new AppError('method_not_allowed');
  ctx.set('Allow', 'GET, HEAD');
  ctx.status = status;
  ctx.body = { error, error_description: message };
}

// A standby that is away does not make the node unready: refreshes and introspection go on, and no other node could do more.
function describeStandby(db: Deps['db']): { standby?: StandbyState } {
  const { state } = standbyOf(db.client);
  return state === 'none' ? {} : { standby: state };
}

function answer(ctx: Context, isGood: boolean, body: object): void {
  ctx.set('Cache-Control', 'no-store');
  ctx.status = isGood ? 200 : 503;
  ctx.body = body;
}
