// Cross-origin calls to our own API: from the origins that the token's client has registered, and no others. The
// engine does the same for its endpoints; a header set before it runs would switch its check off (DESIGN, fact 16).
import type { Context, Middleware } from 'koa';
import { findClient, isRegisteredOrigin } from '../../core/clients/clients.ts';
import type { Deps } from '../../core/deps.ts';

/**
 * Answers preflights below `/api`. They carry no token, so nothing is decided yet: what they allow is a request, and
 * its answer stays unreadable unless `allowClientOrigin` finds the origin registered.
 */
export const answerPreflights: Middleware = async (ctx, next) => {
  const isPreflight =
    ctx.method === 'OPTIONS' && ctx.get('origin') && ctx.get('access-control-request-method');
  if (!isPreflight || !ctx.path.startsWith('/api/')) return await next();
  ctx.vary('Origin');
  ctx.set('Access-Control-Allow-Origin', ctx.get('origin'));
  ctx.set('Access-Control-Allow-Methods', 'GET, POST, PATCH, DELETE');
  ctx.set('Access-Control-Allow-Headers', 'authorization, content-type, dpop');
  ctx.set('Access-Control-Max-Age', '3600');
  ctx.status = 204;
};

/** Lets the calling page read the answer when its origin is one that the client has registered. */
export async function allowClientOrigin(deps: Deps, ctx: Context, client_id: string): Promise<void> {
  const origin = ctx.get('origin');
  ctx.vary('Origin');
  if (!origin) return;
  const client = await findClient(deps.db, client_id);
  if (!client || !isRegisteredOrigin(client, origin)) return;
  ctx.set('Access-Control-Allow-Origin', origin);
  ctx.set('Access-Control-Expose-Headers', 'WWW-Authenticate, Retry-After, X-Request-Id');
}

/**
 * The same for a token that is no good any more: a page that cannot read our 401 cannot tell that it has to refresh from
 * being offline. Only for a JWT that we signed, and so only for the client that it was issued to.
 */
export async function allowOriginOfToken(deps: Deps, ctx: Context, token: string): Promise<void> {
  if (!ctx.get('origin')) return;
  const client_id = await deps.verifier.issuedTo(token);
  if (client_id !== null) await allowClientOrigin(deps, ctx, client_id);
}
