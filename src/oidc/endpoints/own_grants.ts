// The entrance to our grants through the engine, for clients that authenticate by an assertion or a certificate and for requests
// in an unusual shape: the engine reads the form and authenticates the client, then src/token decides and answers.
import type { TokenEndpointGrantContext } from 'oidc-provider';
import type { Registered } from '../../core/clients/client_cache.ts';
import type { Deps } from '../../core/deps.ts';
import { unavailable } from '../../core/store/database_errors.ts';
import { AppError } from '../../lib/errors.ts';
import { type Grant, withCurrentClient } from '../../token/grant.ts';
import { type ClientlessRequest, readGrantRequest } from '../../token/grant_request.ts';
import { unknownToken } from '../../token/refresh_rules.ts';
import { clientRow } from '../request/context.ts';
import { asEngineError } from '../request/errors.ts';

type Context = TokenEndpointGrantContext;

/** The handler that the engine runs for one of our grants. */
export function ownGrant(deps: Deps, grant: Grant): (ctx: Context) => Promise<void> {
  return async (ctx) => {
    try {
      ctx.body = await answer(deps, ctx, grant);
    } catch (error) {
      throw asEngineError(ctx, error);
    }
  };
}

async function answer(deps: Deps, ctx: Context, grant: Grant): Promise<object> {
  const { client } = ctx.oidc;
  let request: ClientlessRequest | undefined;
  const body = await withCurrentClient(
    deps,
    () => findAuthenticated(deps, client),
    async (known) => {
      request ??= readGrantRequest(deps, ctx, readParameters(ctx));
      return await grant(deps, { ...request, known });
    },
  );
  if (body) return body;
  // A client that is described by its own document is authentic without a row, but has no session then.
  throw clientRow(client).registered_by === 'document' ? unknownToken() : new AppError('invalid_client');
}

/**
 * The client that the engine has authenticated, from the client cache; null when it has no row. Refuses with `unavailable` when it has
 * lost a right or its credentials since: it must authenticate again, as what it is now. Otherwise its tokens would have the new
 * `token_version`, and those that a removed secret obtained would live on.
 */
export async function findAuthenticated(
  { clientCache }: Pick<Deps, 'clientCache'>,
  authenticated: object,
): Promise<Registered | null> {
  const { client_id, token_version } = clientRow(authenticated);
  const known = await clientCache.find(client_id);
  if (known && known.client.token_version !== token_version) throw unavailable(null);
  return known;
}

function readParameters(ctx: Context): Pick<ClientlessRequest, 'form' | 'resources'> {
  const { resource, ...form } = ctx.oidc.params as Record<string, string | string[] | undefined>;
  return {
    form: Object.fromEntries(Object.entries(form).map(([name, value]) => [name, asText(value)])),
    resources: [resource ?? []].flat(),
  };
}

// The engine has refused a parameter that was sent twice.
function asText(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
