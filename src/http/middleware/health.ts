// For whoever starts, stops and balances: whether the process is up, whether it can work, and that it is about to go.
import type { Context, Middleware } from 'koa';
import type { Deps } from '../../core/deps.ts';
import { createReadinessCheck } from '../../core/store/readiness.ts';
import { memoize } from '../../lib/memoize.ts';

/**
 * `/healthz` and `/readyz`, for everybody and before anything else: they are asked every few seconds and would fill the
 * log. Anybody may ask, so the database is asked once a second at most.
 */
export function answerHealth({ db }: Deps, isDraining: () => boolean): Middleware {
  // However long a look took: after an outage, which makes looks slow, nobody must wait for twenty times that.
  const look = memoize(createReadinessCheck(db), 1_000, 0);
  return async (ctx, next) => {
    if (ctx.method !== 'GET' && ctx.method !== 'HEAD') return await next();
    if (ctx.path === '/healthz') return answer(ctx, true, { status: 'ok' });
    if (ctx.path !== '/readyz') return await next();
    if (isDraining()) return answer(ctx, false, { status: 'draining' });
    const checks = await look();
    const isReady = Object.values(checks).every(Boolean);
    answer(ctx, isReady, { status: isReady ? 'ready' : 'not_ready', checks });
  };
}

function answer(ctx: Context, isGood: boolean, body: object): void {
  ctx.set('Cache-Control', 'no-store');
  ctx.status = isGood ? 200 : 503;
  ctx.body = body;
}
