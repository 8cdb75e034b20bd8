// The engine inside our app: which paths are its own, and what it is told and corrected in on the way.
import type { Context, Middleware } from 'koa';
import compose from 'koa-compose';
import type { Services } from '../core/services.ts';

/** The engine's paths that are open, with their methods. What is not here does not exist. */
const paths: Record<string, string[]> = {
  '/token': ['POST', 'OPTIONS'],
  '/introspect': ['POST', 'OPTIONS'],
  '/revoke': ['POST', 'OPTIONS'],
  '/userinfo': ['GET', 'HEAD', 'POST', 'OPTIONS'],
  '/jwks': ['GET', 'HEAD', 'OPTIONS'],
  '/.well-known/openid-configuration': ['GET', 'HEAD', 'OPTIONS'],
  '/.well-known/oauth-authorization-server': ['GET', 'HEAD', 'OPTIONS'],
};

/** An engine as a middleware. */
export function composeEngine(engine: { middleware: unknown[] }): Middleware {
  return compose(engine.middleware as Middleware[]);
}

/**
 * Passes requests for the engine's paths to the engine of the moment, and everything else on. A request that is under
 * way stays with the engine that it began with.
 */
export function mountEngine(services: Services, engine: () => Middleware): Middleware {
  return async (ctx, next) => {
    const methods = Object.hasOwn(paths, ctx.path) ? paths[ctx.path] : undefined;
    if (!methods) return await next();
    ctx.state.route = ctx.path;
    if (!methods.includes(ctx.method)) return allowMethods(ctx, 405, methods);
    // Machines talk here; an Accept header of text/html would get them a page instead of an error they can read.
    ctx.req.headers.accept = 'application/json';
    await engine()(ctx, next);
    if (ctx.status === 401 && !ctx.response.get('WWW-Authenticate')) {
      ctx.set('WWW-Authenticate', `Basic realm="${services.config.issuer}"`);
    }
    // The engine answers preflights; to any other OPTIONS it says nothing.
    if (ctx.method === 'OPTIONS' && ctx.status === 404) allowMethods(ctx, 204, methods);
    withholdOrigin(ctx);
  };
}

function allowMethods(ctx: Context, status: number, methods: string[]): void {
  ctx.status = status;
  ctx.set('Allow', methods.join(', '));
}

// The engine lets every origin read until it knows the client and finds the origin wrong; for a client that does not
// exist it never gets so far.
function withholdOrigin(ctx: Context): void {
  const { oidc } = ctx as Context & { oidc?: { client?: object } };
  const isOpen = ctx.path === '/jwks' || ctx.path.startsWith('/.well-known/');
  if (!isOpen && ctx.method !== 'OPTIONS' && !oidc?.client) ctx.remove('Access-Control-Allow-Origin');
}
