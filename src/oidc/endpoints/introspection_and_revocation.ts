// The entrance to introspection (RFC 7662) and revocation (RFC 7009) through the engine, for clients that authenticate by an
// assertion or a certificate, for requests in an unusual shape, and for every refusal: the engine's middleware reads the form and
// authenticates the client, then src/token answers. The engine's own actions for both routes are not run.
import type { Context as KoaContext, Middleware } from 'koa';
import compose from 'koa-compose';
import { errors, type KoaContextWithOIDC, type Provider } from 'oidc-provider';
import requestStorage from 'oidc-provider/lib/helpers/als.js';
import assembleParams from 'oidc-provider/lib/shared/assemble_params.js';
import clientAuth, { getClientAuthParams } from 'oidc-provider/lib/shared/client_auth.js';
import cors from 'oidc-provider/lib/shared/cors.js';
import answerErrors from 'oidc-provider/lib/shared/error_handler.js';
import rejectDupes from 'oidc-provider/lib/shared/reject_dupes.js';
import { urlencoded as readForm } from 'oidc-provider/lib/shared/selective_body.js';
import type { Registered } from '../../core/clients/client_cache.ts';
import type { Deps } from '../../core/deps.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import { withCurrentClient } from '../../token/grant.ts';
import { introspect } from '../../token/introspection.ts';
import { revoke } from '../../token/revocation.ts';
import { asEngineError } from '../request/errors.ts';
import { findAuthenticated } from './own_grants.ts';

type Context = KoaContextWithOIDC;
type Step = (ctx: Context, next: () => Promise<unknown>) => unknown;

/** The middleware of both endpoints, which comes before the engine's router. */
export function introspectionAndRevocation(deps: Deps, provider: Provider): Middleware {
  const endpoints = new Map([
    ['/introspect', { route: 'introspection', run: compose(introspection(deps)) }],
    ['/revoke', { route: 'revocation', run: compose(revocation(deps)) }],
  ]);
  return async (ctx, next) => {
    const endpoint = ctx.method === 'POST' ? endpoints.get(ctx.path) : undefined;
    if (!endpoint) return await next();
    const asked = enterEngine(provider, ctx, endpoint.route);
    await requestStorage.run(asked, () => endpoint.run(asked));
  };
}

// Does what the engine's router does before the first step of a route. `route` is the engine's name for it, from which the audience of
// assertions follows.
function enterEngine(provider: Provider, ctx: KoaContext, route: string): Context {
  const named = Object.assign(ctx, { _matchedRoute: ctx.path, _matchedRouteName: route });
  return Object.assign(named, { oidc: new provider.OIDCContext(named) });
}

function introspection(deps: Deps): Step[] {
  return [
    refusePublicClient,
    ...authentication('introspection.error'),
    signAnswer,
    async (ctx) => {
      const answer = await answerFor(deps, ctx, (known, token) => introspect(deps, known, token));
      ctx.body = answer ?? { active: false };
    },
  ];
}

function revocation(deps: Deps): Step[] {
  return [
    ...authentication('revocation.error'),
    async (ctx) => {
      const source = requestSourceOf(ctx);
      const answer = await answerFor(deps, ctx, (known, token) => revoke(deps, { known, source }, token));
      // Client libraries parse the body as JSON.
      ctx.body = answer ?? {};
    },
  ];
}

// The steps of the engine that both routes begin with, in its order. `event` is what it emits with a refusal.
function authentication(event: string): Step[] {
  return [
    answerErrors(event),
    cors({ allowMethods: 'POST', clientBased: true, exposeHeaders: 'WWW-Authenticate' }),
    (ctx, next) => {
      ctx.set('Cache-Control', 'no-store');
      return next();
    },
    readForm,
    readParameters,
    ...clientAuth,
    (ctx, next) => rejectDupes({}, ctx, next),
  ];
}

const readParameters: Step = (ctx, next) =>
  assembleParams(new Set(['token', 'token_type_hint', ...getClientAuthParams(ctx)]), ctx, next);

// Null when the client has no row any more, or none yet: no token is its own.
async function answerFor(
  deps: Deps,
  ctx: Context,
  answer: (known: Registered, token: string) => Promise<object>,
): Promise<object | null> {
  const { client, params } = ctx.oidc;
  const { token } = params ?? {};
  if (typeof token !== 'string') throw new errors.InvalidRequest("missing required parameter 'token'");
  if (!client) throw new Error('a request is answered before its client was authenticated');
  try {
    return await withCurrentClient(
      deps,
      () => findAuthenticated(deps, client),
      (known) => answer(known, token),
    );
  } catch (error) {
    throw asEngineError(ctx, error);
  }
}

// Section 2.1 of RFC 7662 requires that the caller is authenticated; knowing a client_id is not enough. Whatever else is wrong with the
// request, a public client gets this answer.
const refusePublicClient: Step = async (ctx, next) => {
  await next();
  if (ctx.oidc.client?.clientAuthMethod !== 'none') return;
  ctx.status = 401;
  ctx.body = { error: 'invalid_client', error_description: 'Public clients may not introspect tokens.' };
};

const signedType = 'application/token-introspection+jwt';

// RFC 9701: signed for a client that asks for it. The direct entrance leaves such requests to this one.
const signAnswer: Step = async (ctx, next) => {
  await next();
  const { client, provider } = ctx.oidc;
  if (!client || ctx.get('accept') !== signedType) return;
  const token = new provider.IdToken({}, { ctx });
  Object.assign(token, { extra: { token_introspection: ctx.body, aud: client.clientId } });
  ctx.body = await token.issue({ use: 'introspection' });
  ctx.type = `${signedType}; charset=utf-8`;
};
