// Dynamic registration (RFC 7591, RFC 7592) with hashed secrets: the engine compares and shows a placeholder, which is
// exchanged for the real secret in the request and in the response.
import type { Context, Middleware } from 'koa';
import { koaBody } from 'koa-body';
import { isVouchedGrant } from '../../core/clients/client_rules.ts';
import { verifyClientSecret } from '../../core/clients/client_secrets.ts';
import { type Client, describeClient, findClient } from '../../core/clients/clients.ts';
import { responseAlgs } from '../../core/clients/response_algs.ts';
import { explainProfile } from '../../core/clients/rotation_profiles.ts';
import { suitableMetadata } from '../../core/clients/suitable_metadata.ts';
import type { Deps } from '../../core/deps.ts';
import { AppError } from '../../lib/errors.ts';
import { exceedsJsonBounds } from '../../lib/json_bounds.ts';
import { networkOf } from '../../lib/network.ts';
import { giveBody } from '../../token/form_body.ts';
import { offerOf, secretPlaceholder } from './engine_metadata.ts';

/** The middleware around the engine's registration endpoint. */
export function guardRegistration(deps: Deps): Middleware {
  const parse = koaBody({
    json: true,
    urlencoded: false,
    text: false,
    multipart: false,
    jsonLimit: deps.config.bodyLimit,
    onError: refuseBody,
  });
  return async (ctx, next) => {
    if (!/^\/register(\/|$)/.test(ctx.path) || deps.config.registration === 'off') return await next();
    if (ctx.method === 'POST' || ctx.method === 'PUT') {
      await countRegistration(deps, ctx);
      await parse(ctx, async () => {});
      if (ctx.method === 'PUT') await presentSecret(deps, ctx);
      makeSuitable(deps, ctx);
      giveBack(ctx);
    }
    await next();
    hideRow(ctx);
  };
}

// The holder of the initial access token may register and change any number of clients.
async function countRegistration({ config, limits }: Deps, ctx: Context): Promise<void> {
  if (config.registration === 'open') await limits.registration.consume(networkOf(ctx.ip));
}

// Members that are no metadata: they identify the registration, or must not be sent (RFC 7592, 2.2).
const naming =
  `client_id client_secret registration_access_token registration_client_uri client_secret_expires_at
  client_id_issued_at`.split(/\s+/);

// Replaces the body by its suitable metadata, which the engine validates and answers with. `ctx.state.metadata` keeps them
// for the adapter, which stores them without the engine's defaults.
function makeSuitable(deps: Deps, ctx: Context): void {
  const body = ctx.request.body as Record<string, unknown> | undefined;
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return;
  const suitable = suitableMetadata(body, offerOf(deps));
  const kept = Object.entries(body).filter(([name]) => naming.includes(name));
  ctx.state.metadata = { ...suitable, scope: body.scope };
  const algs = responseAlgs({ first_party: false, metadata: suitable }, deps.keys.algs());
  Object.assign(ctx.request, { body: { ...suitable, ...algs, ...Object.fromEntries(kept) } });
}

/** The largest body that the engine reads, bytes; it has no setting for it. */
const engineLimit = 57_344;

// Makes the body readable for the engine, which otherwise prints a warning outside of the log. A body that is too large or
// nested too deeply stays as it was parsed.
function giveBack({ req, request }: Context): void {
  if (request.body === undefined || exceedsJsonBounds(request.body)) return;
  const body = Buffer.from(JSON.stringify(request.body));
  if (body.length > engineLimit) return;
  req.headers['content-length'] = String(body.length);
  giveBody(req, body);
}

// RFC 7592, 2.2: an update contains the client's secret. If it is right, the engine gets the placeholder. Ids that the engine
// generates need no decoding.
async function presentSecret({ db, clock }: Deps, ctx: Context): Promise<void> {
  const body = ctx.request.body as { client_secret?: unknown } | undefined;
  const presented = body?.client_secret;
  if (typeof presented !== 'string') return;
  const client = await findClient(db, ctx.path.split('/')[2] ?? '');
  if (client && verifyClientSecret(client.secrets, presented, new Date(clock.now())))
    Object.assign(body ?? {}, { client_secret: secretPlaceholder });
  else Object.assign(body ?? {}, { client_secret: '' });
}

// The answer has what was registered, and nothing else (RFC 7591, 3.2.1).
function hideRow(ctx: Context): void {
  const body = ctx.body as Record<string, unknown> | undefined;
  if (typeof body !== 'object' || body === null || !('client_id' in body)) return;
  const { kindred, client_secret, ...rest } = body;
  const row = (ctx.state.registered ?? kindred) as Client | undefined;
  const { grant_types } = rest as { grant_types?: string[] };
  ctx.body = {
    ...rest,
    ...(grant_types ? { grant_types: grant_types.filter((one) => !isVouchedGrant(one)) } : {}),
    ...(row ? columnsShown(row) : {}),
    ...(client_secret === undefined || client_secret === secretPlaceholder ? {} : { client_secret }),
  };
}

// What the client gets beside its metadata: its scope, and how its refresh tokens rotate.
function columnsShown(row: Client): object {
  const { scope, rotation_profile, refresh_token_retry_window } = describeClient(row);
  const rotation_profile_description = explainProfile(row);
  return {
    ...(scope ? { scope } : {}),
    ...{ rotation_profile, rotation_profile_description, refresh_token_retry_window },
  };
}

function refuseBody(error: Error): never {
  const { status } = error as { status?: number };
  throw new AppError(status === 413 ? 'body_too_large' : 'invalid_json', undefined, { cause: error });
}
