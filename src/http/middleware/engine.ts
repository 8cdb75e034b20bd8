// The engine inside our app: which paths are its own, and what it is told and corrected in on the way.
import type { Context, Middleware } from 'koa';
import compose from 'koa-compose';
import type { Deps } from '../../core/deps.ts';
import { allowOriginOfToken } from './cors.ts';

/** The engine's paths for machines, with their methods. What is in none of these tables does not exist. */
const machine: Record<string, string[]> = {
  '/token': ['POST', 'OPTIONS'],
  '/introspect': ['POST', 'OPTIONS'],
  '/revoke': ['POST', 'OPTIONS'],
  '/par': ['POST', 'OPTIONS'],
  '/device/authorize': ['POST', 'OPTIONS'],
  '/userinfo': ['GET', 'HEAD', 'POST', 'OPTIONS'],
  '/jwks': ['GET', 'HEAD', 'OPTIONS'],
  '/.well-known/openid-configuration': ['GET', 'HEAD', 'OPTIONS'],
  '/.well-known/oauth-authorization-server': ['GET', 'HEAD', 'OPTIONS'],
};

/** The engine's pages, for people. */
const pages: [RegExp, string[]][] = [
  [/^\/authorize(\/[\w-]+)?$/, ['GET', 'HEAD', 'POST']],
  [/^\/device(\/[\w-]+)?$/, ['GET', 'HEAD', 'POST']],
  [/^\/logout(\/(confirm|success))?$/, ['GET', 'HEAD', 'POST']],
];

/** Registration, for machines too, when it is on. */
const registration: [RegExp, string[]][] = [
  [/^\/register(\/[^/]+)?$/, ['GET', 'HEAD', 'POST', 'PUT', 'DELETE']],
];

/** All rows of these tables, for tests that must know every endpoint. */
export const enginePaths = {
  machine: Object.entries(machine),
  pages: [...pages, ...registration],
} as const;

/** An engine as a middleware. */
export function composeEngine(engine: { middleware: unknown[] }): Middleware {
  return compose(engine.middleware as Middleware[]);
}

/**
 * Passes requests for the engine's paths to the engine of the moment, and everything else on. A request that is under
 * way stays with the engine that it began with.
 */
export function mountEngine(deps: Deps, engine: () => Middleware): Middleware {
  const dynamic = deps.config.registration === 'off' ? [] : registration;
  const atRoot = documentsAtRoot(deps.config.issuerPath);
  return async (ctx, next) => {
    ctx.path = atRoot.get(ctx.path) ?? ctx.path;
    const forMachines = Object.hasOwn(machine, ctx.path) ? machine[ctx.path] : methodsFor(dynamic, ctx.path);
    const methods = forMachines ?? methodsFor(pages, ctx.path);
    if (!methods) return await next();
    ctx.state.route = routeOf(ctx.path);
    if (!methods.includes(ctx.method)) return allowMethods(ctx, 405, methods);
    if (forMachines) wantJson(ctx);
    await engine()(ctx, next);
    // A preflight that is none: no Access-Control-Request-Method.
    if (ctx.method === 'OPTIONS' && ctx.status === 404) allowMethods(ctx, 204, methods);
    if (!forMachines) return;
    // Client libraries stop at this header, so it is for those alone who tried the header (RFC 6749, 5.2).
    const hasTried = ctx.headers.authorization !== undefined;
    if (ctx.status === 401 && hasTried && !ctx.response.get('WWW-Authenticate')) {
      ctx.set('WWW-Authenticate', `Basic realm="${deps.config.issuer}"`);
    }
    await withholdOrigin(deps, ctx);
  };
}

// Clients look for the metadata of an issuer with a path at the root of its host, with the path behind (RFC 8414, 3.1); those
// that speak OpenID Connect put the path first, which the proxy takes off.
function documentsAtRoot(issuerPath: string): Map<string, string> {
  if (issuerPath === '') return new Map();
  const documents = Object.keys(machine).filter((path) => path.startsWith('/.well-known/'));
  return new Map(documents.map((path) => [`${path}${issuerPath}`, path]));
}

function methodsFor(table: [RegExp, string[]][], path: string): string[] | undefined {
  return table.find(([pattern]) => pattern.test(path))?.[1];
}

// An Accept header of text/html would get a machine a page instead of an error that it can read. A signed answer of
// introspection is asked for by this header too (RFC 9701), and is none.
function wantJson(ctx: Context): void {
  const signed = 'application/token-introspection+jwt';
  const wantsSigned = ctx.path === '/introspect' && ctx.get('accept').includes(signed);
  ctx.req.headers.accept = wantsSigned ? signed : 'application/json';
}

function allowMethods(ctx: Context, status: number, methods: string[]): void {
  ctx.status = status;
  ctx.set('Allow', methods.join(', '));
}

// What the metrics call the route: one name for all ids behind it.
function routeOf(path: string): string {
  return Object.hasOwn(machine, path) ? path : `/${path.split('/')[1]}`;
}

// The engine lets every origin read until it knows the client and finds the origin wrong; for a client that does not
// exist, or a token that is no good any more, it never gets so far.
async function withholdOrigin(deps: Deps, ctx: Context): Promise<void> {
  const { oidc } = ctx as Context & { oidc?: { client?: object } };
  const isOpen = ctx.path === '/jwks' || ctx.path.startsWith('/.well-known/');
  if (isOpen || ctx.method === 'OPTIONS' || oidc?.client) return;
  ctx.remove('Access-Control-Allow-Origin');
  const [, token] = /^(?:bearer|dpop) ([\x21-\x7e]+)$/i.exec(ctx.get('authorization')) ?? [];
  if (ctx.path === '/userinfo' && token) await allowOriginOfToken(deps, ctx, token);
}
