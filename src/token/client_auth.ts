// Client authentication (RFC 6749, 2.3) at the direct entrance: a client_id, or a client_id and a secret. Other methods and
// failed authentication are left to the engine, which refuses.
import type { Context } from 'koa';
import type { Registered } from '../core/clients/client_cache.ts';
import { acceptsSecret } from '../core/clients/client_secrets.ts';
import { type Client, isRegisteredOrigin } from '../core/clients/clients.ts';
import type { Deps } from '../core/deps.ts';
import { authorizationOf, type Credentials } from './client_authorization.ts';
import { hasClientBudget } from './client_failures.ts';

const attestations = ['oauth-client-attestation', 'oauth-client-attestation-pop'];

/** Whether the headers contain client authentication, or a wish for a signed answer, that the engine alone understands. */
export function needsEngineAuth({ headers }: Context): boolean {
  const wantsSigned = headers.accept?.includes('introspection+jwt') === true;
  return wantsSigned || attestations.some((name) => headers[name] !== undefined);
}

/** The credentials of a request that names its client in exactly one way; else null. */
export function readCredentials(
  ctx: Context,
  form: { client_id?: string | undefined; client_secret?: string | undefined },
): Credentials | null {
  const { basic, namedClient } = authorizationOf(ctx);
  if (ctx.headers.authorization !== undefined) {
    // Values that need decoding are rare and are left to the engine.
    if (!basic || form.client_secret !== undefined) return null;
    return (form.client_id ?? basic.client_id) === basic.client_id ? basic : null;
  }
  const { client_secret = null } = form;
  const client_id = form.client_id ?? namedClient;
  if (client_id === undefined || (namedClient ?? client_id) !== client_id) return null;
  return { client_id, client_secret };
}

/**
 * The cached client, if its credentials are right and the origin of the request, if any, may read the answer. The cache may
 * be outdated, so the statement that decides checks its version; after a mismatch the entrance calls this again (`withCurrentClient`).
 */
export async function authenticateClient(
  deps: Deps,
  ctx: Context,
  credentials: Credentials,
): Promise<Registered | null> {
  const { client_id, client_secret } = credentials;
  const known = await deps.clientCache.find(client_id);
  if (known && client_secret !== null && !(await hasClientBudget(deps, ctx, client_id))) return null;
  if (!known || !isAuthentic(deps, known.client, credentials)) return null;
  ctx.state.clientId = known.client.client_id;
  const origin = ctx.get('origin');
  return !origin || isRegisteredOrigin(known.client, origin) ? known : null;
}

// Checks the registered authentication method and, for a confidential client, that the secret is valid now.
function isAuthentic(deps: Deps, client: Client, { client_secret }: Credentials): boolean {
  const method = client.metadata.token_endpoint_auth_method;
  if (client_secret === null) return method === 'none';
  // With either method the secret may be sent in the header or in the body; the engine accepts both too.
  const hasSecret = method === 'client_secret_basic' || method === 'client_secret_post';
  return hasSecret && acceptsSecret(deps, client, client_secret);
}
