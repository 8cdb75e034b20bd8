// The engine (oidc-provider) inside our app: its paths and methods, and what we change in its requests and answers.
import type { Context, Middleware } from 'koa';
import compose from 'koa-compose';
import type { Deps } from '../../core/deps.ts';
import { allowOriginOfToken } from './cors.ts';
import { isPublicDocument, letCachesKeep } from './public_documents.ts';

/** The engine's endpoints for programs, with their methods. A path of the engine that is in none of these tables is a 404. */
const endpoints: Record<string, string[]> = {
  '/token': ['POST', 'OPTIONS'],
  '/introspect': ['POST', 'OPTIONS'],
  '/revoke': ['POST', 'OPTIONS'],
  '/par': ['POST', 'OPTIONS'],
  '/device/authorize': ['POST', 'OPTIONS'],
  '/userinfo': ['GET', 'HEAD', 'POST', 'OPTIONS'],
  '/jwks': ['GET', 'HEAD', 'OPTIONS'],
  '/.well-known/jwks.json': ['GET', 'HEAD', 'OPTIONS'],
  '/.well-known/openid-configuration': ['GET', 'HEAD', 'OPTIONS'],
  '/.well-known/oauth-authorization-server': ['GET', 'HEAD', 'OPTIONS'],
};

// Libraries that are given the issuer alone look for the keys there, without reading the metadata.
const aliases = new Map([['/.well-known/jwks.json', '/jwks']]);

/** The endpoints that take `resource` (RFC 8707). */
const namingResources = new Set(['/token', '/par', '/device/authorize', '/authorize']);

/** The engine's pages, for people. */
const pages: [RegExp, string[]][] = [
  [/^\/authorize$/, ['GET', 'HEAD', 'POST']],
  [/^\/authorize\/[\w-]+$/, ['GET', 'HEAD']],
  [/^\/device$/, ['GET', 'HEAD', 'POST']],
  [/^\/device\/[\w-]+$/, ['GET', 'HEAD']],
  [/^\/logout$/, ['GET', 'HEAD', 'POST']],
  [/^\/logout\/confirm$/, ['POST']],
  [/^\/logout\/success$/, ['GET', 'HEAD']],
];

/** Dynamic client registration, also for programs, when it is switched on. */
const registration: [RegExp, string[]][] = [
  [/^\/register$/, ['POST', 'OPTIONS']],
  [/^\/register\/[^/]+$/, ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS']],
];

/** All rows of these tables, for tests that must cover every endpoint. */
export const enginePaths = {
  endpoints: Object.entries(endpoints),
  pages: [...pages, ...registration],
} as const;

/** The middleware that runs an engine. */
export function composeEngine(engine: { middleware: unknown[] }): Middleware {
  return compose(engine.middleware as Middleware[]);
}

/**
 * Passes requests for the engine's paths to the current engine, and all others to the next middleware. A request in progress
 * stays with the engine with which it began. `asPage` answers with a page when the database is away.
 */
export function mountEngine(deps: Deps, engine: () => Middleware, asPage: Middleware): Middleware {
  const registrationPaths = deps.config.registration === 'off' ? [] : registration;
  const atRoot = documentsAtRoot(deps.config.issuerPath);
  return async (ctx, next) => {
    ctx.path = atRoot.get(ctx.path) ?? ctx.path;
    const ofEndpoint = Object.hasOwn(endpoints, ctx.path)
      ? endpoints[ctx.path]
      : methodsFor(registrationPaths, ctx.path);
    const methods = ofEndpoint ?? methodsFor(pages, ctx.path);
    if (!methods) return await next();
    ctx.state.route = routeOf(ctx.path);
    if (!methods.includes(ctx.method)) return allowMethods(ctx, 405, methods);
    if (ofEndpoint) acceptJson(ctx);
    // RFC 6749, 5.1; the engine sets only Cache-Control.
    if (ctx.path === '/token') ctx.set('Pragma', 'no-cache');
    ctx.path = aliases.get(ctx.path) ?? ctx.path;
    if (namingResources.has(ctx.path)) {
      await (ofEndpoint ? readServers(deps, ctx) : asPage(ctx, async () => await readServers(deps, ctx)));
      if (ctx.state.servers === undefined) return;
    }
    await engine()(ctx, next);
    // An OPTIONS request without Access-Control-Request-Method is not a preflight, and the engine has no route for it.
    if (ctx.method === 'OPTIONS' && ctx.status === 404) allowMethods(ctx, 204, methods);
    if (!ofEndpoint) return;
    // Only a client that sent Authorization gets this header (RFC 6749, section 5.2): libraries give up when they see it.
    const hasSentHeader = ctx.headers.authorization !== undefined || ctx.state.sentAuthorization === true;
    if (ctx.status === 401 && hasSentHeader && !ctx.response.get('WWW-Authenticate')) {
      ctx.set('WWW-Authenticate', `Basic realm="${deps.config.issuer}"`);
    }
    if (isPublicDocument(ctx.path)) return letCachesKeep(deps.config, ctx);
    await restrictOrigin(deps, ctx);
  };
}

// The parameters are read by the engine all at once, so what they are compared with is read before.
async function readServers({ clientCache }: Deps, ctx: Context): Promise<void> {
  ctx.state.servers = await clientCache.servers();
}

// Clients look for the metadata of an issuer with a path at the root of its host, with the path appended (RFC 8414, section 3.1).
// OpenID Connect clients put the path first instead; the proxy strips it.
function documentsAtRoot(issuerPath: string): Map<string, string> {
  if (issuerPath === '') return new Map();
  const documents = Object.keys(endpoints).filter((path) => path.startsWith('/.well-known/'));
  return new Map(documents.map((path) => [`${path}${issuerPath}`, path]));
}

function methodsFor(table: [RegExp, string[]][], path: string): string[] | undefined {
  return table.find(([pattern]) => pattern.test(path))?.[1];
}

// Replaces the Accept header: with text/html the engine would answer a program's error with a page. One value stays: it asks for a
// signed introspection response (RFC 9701).
function acceptJson(ctx: Context): void {
  const signed = 'application/token-introspection+jwt';
  const wantsSigned = ctx.path === '/introspect' && ctx.get('accept').includes(signed);
  ctx.req.headers.accept = wantsSigned ? signed : 'application/json';
}

function allowMethods(ctx: Context, status: number, methods: string[]): void {
  ctx.status = status;
  ctx.set('Allow', methods.join(', '));
}

// The name of the route in the metrics: one for all ids below a path.
function routeOf(path: string): string {
  return Object.hasOwn(endpoints, path) ? path : `/${path.split('/')[1]}`;
}

// The engine allows every origin until it has found the client and checked its origins. With an unknown client or an invalid token
// it never gets there; then the token, if it names a client, decides. Registration is open: a client that is being
// registered has no origins yet, and a page may manage a registration whose access token it holds.
async function restrictOrigin(deps: Deps, ctx: Context): Promise<void> {
  const { oidc } = ctx as Context & { oidc?: { client?: object } };
  if (ctx.method === 'OPTIONS' || /^\/register(\/|$)/.test(ctx.path)) return;
  if (oidc?.client) {
    ctx.state.concernsClient = true;
    return;
  }
  ctx.remove('Access-Control-Allow-Origin');
  const [, token] = /^(?:bearer|dpop) ([\x21-\x7e]+)$/i.exec(ctx.get('authorization')) ?? [];
  if (ctx.path === '/userinfo' && token) await allowOriginOfToken(deps, ctx, token);
}
