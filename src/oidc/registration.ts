// Dynamic registration (RFC 7591, RFC 7592) with hashed secrets: the engine compares and shows what it believes to be
// the secret, so both are set right on the way in and out.
import type { Context, Middleware } from 'koa';
import { koaBody } from 'koa-body';
import { isVouchedGrant } from '../core/client_metadata.ts';
import { verifyClientSecret } from '../core/client_secrets.ts';
import { findClient } from '../core/clients.ts';
import type { Services } from '../core/services.ts';
import { AppError } from '../lib/errors.ts';
import { secretPlaceholder } from './adapter.ts';

/** The middleware around the engine's registration endpoint. */
export function guardRegistration(services: Services): Middleware {
  const parse = koaBody({
    json: true,
    urlencoded: false,
    text: false,
    multipart: false,
    jsonLimit: services.config.bodyLimit,
    onError: refuseBody,
  });
  return async (ctx, next) => {
    if (!ctx.path.startsWith('/register')) return await next();
    if (ctx.method === 'PUT') await parse(ctx, async () => await presentSecret(services, ctx));
    await next();
    hideRow(ctx);
  };
}

// RFC 7592, 2.2: an update names the secret that the client has. The engine is told that it does. Ids that the engine
// gives need no decoding.
async function presentSecret({ db, clock }: Services, ctx: Context): Promise<void> {
  const body = ctx.request.body as { client_secret?: unknown } | undefined;
  const presented = body?.client_secret;
  if (typeof presented !== 'string') return;
  const client = await findClient(db, ctx.path.split('/')[2] ?? '');
  if (client && verifyClientSecret(client.secrets, presented, new Date(clock.now())))
    Object.assign(body ?? {}, { client_secret: secretPlaceholder });
  else Object.assign(body ?? {}, { client_secret: '' });
}

function hideRow(ctx: Context): void {
  const body = ctx.body as Record<string, unknown> | undefined;
  if (typeof body !== 'object' || body === null || !('client_id' in body)) return;
  const { kindred: _row, client_secret, ...rest } = body;
  // What was not registered is not said to be (RFC 7591, 3.2.1).
  const { grant_types } = rest as { grant_types?: string[] };
  const shown = grant_types
    ? { ...rest, grant_types: grant_types.filter((one) => !isVouchedGrant(one)) }
    : rest;
  ctx.body =
    client_secret === undefined || client_secret === secretPlaceholder ? shown : { ...shown, client_secret };
}

function refuseBody(error: Error): never {
  const { status } = error as { status?: number };
  throw new AppError(status === 413 ? 'body_too_large' : 'invalid_json', undefined, { cause: error });
}
