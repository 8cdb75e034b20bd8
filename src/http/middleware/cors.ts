// Cross-origin calls of pages (CORS) to the endpoints for programs. An answer that concerns a client is readable from the origins
// that this client has registered, and no others; one that concerns no client says nothing about a user or client, and every page may
// read it. No answer allows credentials, so cookies never count. No middleware before the engine may set a header that begins
// with Access-Control-: the engine then skips its own check.
import type { Context, Middleware } from 'koa';
import { findClient, isRegisteredOrigin } from '../../core/clients/clients.ts';
import type { Deps } from '../../core/deps.ts';

const forPrograms =
  /^\/(api\/|\.well-known\/|register(\/|$)|(token|introspect|revoke|par|device\/authorize|userinfo|jwks)$)/;

/**
 * Answers preflights. A preflight carries no token and no client, so every origin may send its request, with whatever headers its
 * libraries add (tracing, protocol versions); the page can read the answer only as `openAnswers` says.
 */
export const answerPreflights: Middleware = async (ctx, next) => {
  const isPreflight =
    ctx.method === 'OPTIONS' && ctx.get('origin') && ctx.get('access-control-request-method');
  if (!isPreflight || !forPrograms.test(ctx.path)) return await next();
  ctx.vary('Origin');
  ctx.set('Access-Control-Allow-Origin', ctx.get('origin'));
  ctx.set('Access-Control-Allow-Methods', 'GET, POST, PUT, PATCH, DELETE');
  const requested = ctx.get('access-control-request-headers');
  if (requested) ctx.set('Access-Control-Allow-Headers', requested);
  ctx.set('Access-Control-Max-Age', '3600');
  ctx.status = 204;
};

/**
 * Lets pages read the answers that concern no client: a wrong method or path, a body that is too large, a missing or unknown token,
 * an unknown client, the whole of registration. Exposes the headers that tell a page what to do next.
 */
export const openAnswers: Middleware = async (ctx, next) => {
  await next();
  const origin = ctx.get('origin');
  if (origin === '' || ctx.method === 'OPTIONS' || !forPrograms.test(ctx.path)) return;
  const isAllowed = ctx.res.hasHeader('Access-Control-Allow-Origin');
  if (!isAllowed) ctx.vary('Origin');
  if (!isAllowed && ctx.state.concernsClient) return;
  if (!isAllowed) ctx.set('Access-Control-Allow-Origin', origin);
  ctx.set('Access-Control-Expose-Headers', 'WWW-Authenticate, Retry-After, X-Request-Id');
};

/** Lets the calling page read the answer, which concerns this client, if the client has registered its origin. */
export async function allowClientOrigin(deps: Deps, ctx: Context, client_id: string): Promise<void> {
  const origin = ctx.get('origin');
  ctx.vary('Origin');
  if (!origin) return;
  ctx.state.concernsClient = true;
  const client = await findClient(deps.db, client_id);
  if (client && isRegisteredOrigin(client, origin)) ctx.set('Access-Control-Allow-Origin', origin);
}

/**
 * Does the same for a token that is expired or revoked: a page that cannot read the 401 cannot distinguish it from being
 * offline, and would not refresh. Only a JWT with a valid signature names the client to which it was issued.
 */
export async function allowOriginOfToken(deps: Deps, ctx: Context, token: string): Promise<void> {
  if (!ctx.get('origin')) return;
  const client_id = deps.verifier.issuedTo(token);
  if (client_id !== null) await allowClientOrigin(deps, ctx, client_id);
}
