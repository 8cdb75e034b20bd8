// What every request gets first: an id, its true address, a line in the log, headers of safety, a limit for its body.
import { randomUUID } from 'node:crypto';
import { IncomingMessage, type OutgoingHttpHeader, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import helmet from 'helmet';
import type { Context, Middleware } from 'koa';
import type { Config } from '../../../config/index.ts';
import { onBehalfOf } from '../../core/passwords/password_hash.ts';
import { AppError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { networkOf } from '../../lib/network.ts';
import { createAddressReader } from './address.ts';

/** Gives the request an id (`X-Request-Id` in the answer) and the address that it really comes from. */
export function identify(config: Config): Middleware {
  const readAddress = createAddressReader(config);
  return async (ctx, next) => {
    ctx.state.requestId = randomUUID();
    ctx.set('X-Request-Id', ctx.state.requestId);
    ctx.request.ip = readAddress(ctx.req);
    await next();
  };
}

/** Has the hashes of a request wait in line for it: clients of one network take turns with those of others. */
export function queueHashes({ passwordQueue }: Config): Middleware {
  return async (ctx, next) => {
    const asker = { key: networkOf(ctx.ip), isDisconnected: () => !ctx.writable, capacity: passwordQueue };
    await onBehalfOf(asker, next);
  };
}

/**
 * One line a request: who asked, and for a refusal why. The path without its query: that is where codes and tokens travel.
 */
export function logRequests(log: Log): Middleware {
  return async (ctx, next) => {
    const start = performance.now();
    await next();
    const ms = Math.round((performance.now() - start) * 10) / 10;
    const { method, path, status, ip } = ctx;
    const user_agent = ctx.get('user-agent').slice(0, 200) || undefined;
    const about = { client_id: clientOf(ctx), user_agent, ...refusalOf(ctx) };
    log.info({ request_id: ctx.state.requestId, method, path, status, ms, ip, ...about }, 'request');
  };
}

// Ids are shorter, or URLs; what is longer may be a token that somebody has put into the wrong parameter.
const claimedId = /^(.{1,36}|https?:\/\/.*)$/;

// The client that is known, or else the name that the request gives itself.
function clientOf(ctx: Context): string | undefined {
  const { oidc } = ctx as Context & {
    oidc?: { client?: { clientId?: unknown }; params?: { client_id?: unknown } };
  };
  const known: unknown = ctx.state.clientId ?? ctx.state.caller?.client_id ?? oidc?.client?.clientId;
  if (typeof known === 'string') return known.slice(0, 200);
  const claimed = oidc?.params?.client_id;
  return typeof claimed === 'string' && claimedId.test(claimed) ? claimed.slice(0, 200) : undefined;
}

interface SaidRefusal {
  error?: string | undefined;
  reason?: string | undefined;
  /** What was answered in words. */
  description?: string | undefined;
  /** What the engine knows and nobody is told. */
  detail?: string | undefined;
}

// Of a page or a redirect what the engine has noted, else what the answer says. A text that an administrator wrote for a
// banned user is theirs and not the log's.
function refusalOf(ctx: Context): SaidRefusal {
  const body =
    ctx.status >= 400 ? (ctx.body as { error?: unknown; error_description?: unknown } | null) : null;
  const noted: SaidRefusal = ctx.state.refusal ?? {};
  const reason: string | undefined = ctx.state.reason;
  const error = typeof body?.error === 'string' ? body.error : noted.error;
  if (error === undefined) return {};
  const said = typeof body?.error_description === 'string' ? body.error_description : noted.description;
  const isPersonal = reason?.startsWith('account_') === true;
  return { error, reason, ...(isPersonal ? {} : { description: said }), detail: noted.detail };
}

/** The headers of safety, by helmet. They are the same for every answer, so helmet is asked once. */
export function secureHeaders({ issuer }: Config): Middleware {
  const isSecure = issuer.startsWith('https:');
  const headers = headersOf(
    helmet({
      strictTransportSecurity: isSecure,
      contentSecurityPolicy: {
        useDefaults: false,
        directives: { defaultSrc: ["'none'"], scriptSrc: ["'self'"], frameAncestors: ["'none'"] },
      },
      // Our own forms must say where they come from: with `no-referrer` browsers send `Origin: null`.
      referrerPolicy: { policy: 'same-origin' },
      crossOriginResourcePolicy: { policy: 'cross-origin' },
      // What only Internet Explorer, Flash and Chrome before 78 listened to.
      xDownloadOptions: false,
      xPermittedCrossDomainPolicies: false,
      xXssProtection: false,
      xDnsPrefetchControl: false,
    }),
  );
  return async (ctx, next) => {
    for (const [name, value] of headers) ctx.res.setHeader(name, value);
    await next();
  };
}

function headersOf(apply: ReturnType<typeof helmet>): [string, OutgoingHttpHeader][] {
  const response = new ServerResponse(new IncomingMessage(new Socket()));
  apply(response.req, response, () => {});
  return response.getHeaderNames().map((name) => [name, response.getHeader(name) ?? '']);
}

/** Parameters that a query may have; no endpoint knows half as many. */
export const maxQueryParameters = 50;

/**
 * Refuses queries of many parameters before anything parses them: Koa looks for the values of each name anew, and 3,750 times
 * `a=b` took it 170 ms. Counted are parameters and not bytes, because a request object or a state may be long; how long,
 * the limit for headers says.
 */
export function limitQuery(): Middleware {
  return async (ctx, next) => {
    let parameters = 1;
    for (let at = ctx.querystring.indexOf('&'); at >= 0; at = ctx.querystring.indexOf('&', at + 1)) {
      parameters += 1;
      if (parameters > maxQueryParameters) throw new AppError('invalid_request', 'too many parameters');
    }
    await next();
  };
}

/**
 * Refuses bodies that are too large: those that say so before a byte of them is read, the others when they have proved
 * it. Readers stop at their own limit, and what they make of it then (the engine's 400) becomes a 413.
 */
export function limitBody(limit: number): Middleware {
  return async (ctx, next) => {
    const isStreamed = ctx.get('transfer-encoding') !== '';
    const received = isStreamed ? countBody(ctx.req) : () => ctx.request.length ?? 0;
    if (received() > limit) refuseBody(ctx);
    try {
      await next();
    } catch (error) {
      if (received() > limit) refuseBody(ctx);
      throw error;
    }
    if (ctx.status >= 400 && received() > limit) refuseBody(ctx);
  };
}

function refuseBody(ctx: Context): never {
  ctx.set('Connection', 'close');
  throw new AppError('body_too_large');
}

// Node pushes what comes in; to listen for it would take it from whoever reads it later.
function countBody(request: IncomingMessage): () => number {
  let received = request.readableLength;
  const push = request.push.bind(request);
  request.push = (chunk: Buffer | null, encoding?: BufferEncoding) => {
    received += chunk?.length ?? 0;
    return push(chunk, encoding);
  };
  return () => received;
}
