// Makes the router from the rows of the route tables. Each request passes the guard, the body parser, the validation and the
// handler, whose result is the answer.
import { METHODS } from 'node:http';
import Router from '@koa/router';
import type { Context, Middleware } from 'koa';
import { koaBody } from 'koa-body';
import type { z } from 'zod';
import type { ClientRegistrar } from '../../core/actions/register_client.ts';
import type { Deps } from '../../core/deps.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import { AppError } from '../../lib/errors.ts';
import { exceedsJsonBounds } from '../../lib/json_bounds.ts';
import { guard } from './guard.ts';
import type { ApiRequest, Route } from './routes.ts';

/** The router for `routes`, below `/api`. */
export function createRouter(deps: Deps, registrar: ClientRegistrar, routes: Route[]): Router {
  // All methods that Node knows: by default the router answers unusual ones with 501 instead of 405.
  const router = new Router({ prefix: '/api', methods: METHODS, strict: true, sensitive: true });
  for (const row of routes) {
    const body = row.body ? [readJson(deps.config.bodyLimit)] : [];
    const steps = [guard(deps, row), ...body, callHandler(deps, registrar, row)];
    router.register(row.path, [row.method], steps);
  }
  return router;
}

function callHandler(deps: Deps, registrar: ClientRegistrar, row: Route): Middleware {
  return async (ctx) => {
    const { caller, authority } = ctx.state;
    const request: ApiRequest = {
      deps,
      registrar,
      caller,
      actor: {
        actor: row.auth === 'admin' ? 'admin' : 'user',
        actor_id: caller?.sub,
        source: requestSourceOf(ctx),
        ...(authority ? { authority } : {}),
      },
      params: validatePath(row, ctx),
      query: validate(row.query, ctx.query),
      body: row.body ? validate(row.body, ctx.request.body ?? {}) : undefined,
    };
    const answer = await row.handler(request);
    ctx.status = row.status;
    if (row.response) ctx.body = row.response.parse(answer);
    if (row.stream) {
      ctx.type = row.stream;
      ctx.body = answer;
    }
  };
}

function validate(schema: z.ZodType, value: unknown): unknown {
  const parsed = schema.safeParse(value);
  if (parsed.success && containsNul(value))
    throw new AppError('invalid_request', 'Texts must not contain NUL.');
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    (issue) => (issue.path.length > 0 ? `${issue.path.join('.')}: ` : '') + issue.message,
  );
  throw new AppError('invalid_request', problems.join('; '));
}

// An id of another form belongs to nothing, so the answer is the same as for an unknown id.
function validatePath(row: Route, ctx: Context): unknown {
  const parsed = row.params.safeParse(ctx.params);
  if (parsed.success && !containsNul(ctx.params)) return parsed.data;
  throw new AppError(row.errors.find((name) => name.endsWith('_not_found')) ?? 'not_found');
}

// Postgres cannot store NUL in a text.
function containsNul(value: unknown): boolean {
  if (typeof value === 'string') return value.includes('\0');
  return typeof value === 'object' && value !== null && Object.values(value).some(containsNul);
}

/** JSON under its own name or another (RFC 6839, 3.1), such as that of RFC 7396, which is how a PATCH is meant. */
const jsonTypes = ['application/json', '+json'];
/** Not this one (RFC 6902): its operations are no members to change. */
const jsonPatch = 'application/json-patch+json';

function readJson(limit: number): Middleware {
  const parse = koaBody({
    jsonLimit: limit,
    jsonTypes,
    urlencoded: false,
    text: false,
    multipart: false,
    includeUnparsed: true,
    onError: refuseBody,
  });
  return async (ctx, next) => {
    const hasBody =
      ctx.request.length !== 0 && (ctx.request.length !== undefined || ctx.get('transfer-encoding') !== '');
    if (hasBody && (!ctx.is(jsonTypes) || ctx.is(jsonPatch))) throw new AppError('unsupported_media_type');
    return await parse(ctx, async () => {
      // The parser replaces bytes that are not UTF-8; the replacement must not be stored as if the client had sent it.
      if (ctx.request.rawBody?.includes('\uFFFD')) throw new AppError('invalid_json');
      if (exceedsJsonBounds(ctx.request.body)) throw new AppError('invalid_json');
      await next();
    });
  };
}

function refuseBody(error: Error): never {
  const { status } = error as { status?: number };
  throw new AppError(status === 413 ? 'body_too_large' : 'invalid_json', undefined, { cause: error });
}
