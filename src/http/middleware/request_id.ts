// The id of a request and the address of its client, which everything after this relies on.
import { randomUUID } from 'node:crypto';
import type { Middleware } from 'koa';
import type { Config } from '../../../config/index.ts';
import { createAddressReader } from './address.ts';

/** Gives the request an id (`X-Request-Id` in the answer) and, behind trusted proxies, the address of the client. */
export function identifyRequest(config: Config): Middleware {
  const readAddress = createAddressReader(config);
  return (ctx, next) => {
    ctx.state.requestId = randomUUID();
    ctx.res.setHeader('X-Request-Id', ctx.state.requestId);
    ctx.request.ip = readAddress(ctx.req);
    return next();
  };
}
