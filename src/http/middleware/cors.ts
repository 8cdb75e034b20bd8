// Cross-origin calls to our own API (CORS): allowed from the origins that the token's client has registered, and no others. The
// engine does the same for its endpoints. No middleware before it may set a header that begins with Access-Control-: the
// engine then skips its own check.
import type { Context, Middleware } from 'koa';
import { findClient, isRegisteredOrigin } from '../../core/clients/clients.ts';
import type { Deps } from '../../core/deps.ts';

/**
 * Answers preflights below `/api`. A preflight carries no token, so every origin may send its request; the page can read the
 * answer only if `allowClientOrigin` finds the origin registered.
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

/** Lets the calling page read the answer if the client has registered its origin. */
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
 * Does the same for a token that is expired or revoked: a page that cannot read the 401 cannot distinguish it from being
 * offline, and would not refresh. Only a JWT with a valid signature counts, for the client to which it was issued.
 */
export async function allowOriginOfToken(deps: Deps, ctx: Context, token: string): Promise<void> {
  if (!ctx.get('origin')) return;
  const client_id = deps.verifier.issuedTo(token);
  if (client_id !== null) await allowClientOrigin(deps, ctx, client_id);
}
