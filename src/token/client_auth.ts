// Client authentication (RFC 6749, 2.3) of the fast entrances: a name, or a name and a secret. Anything else, and whatever
// is wrong, is the engine's to judge and to refuse.
import type { Context } from 'koa';
import type { Registered } from '../core/clients/client_cache.ts';
import { isVouchedGrant } from '../core/clients/client_rules.ts';
import { acceptsSecret } from '../core/clients/client_secrets.ts';
import { type Client, isRegisteredOrigin } from '../core/clients/clients.ts';
import type { Deps } from '../core/deps.ts';
import { hasClientBudget } from './client_failures.ts';

/** How a client says who it is. */
export interface Credentials {
  client_id: string;
  client_secret: string | null;
}

// What makes a request more than its form says: proofs of possession, attestations, an answer that is to be signed.
const constraints = ['dpop', 'oauth-client-attestation', 'oauth-client-attestation-pop'];

/** Whether a request carries something that only the engine understands. */
export function isConstrained({ config }: Deps, { headers }: Context): boolean {
  if (constraints.some((name) => headers[name] !== undefined)) return true;
  if (headers.accept?.includes('introspection+jwt')) return true;
  return config.certificateHeader !== null && headers[config.certificateHeader] !== undefined;
}

/** Who the request says it is from, in one unambiguous way; else null. */
export function readCredentials(
  ctx: Context,
  form: { client_id?: string | undefined; client_secret?: string | undefined },
): Credentials | null {
  const header = ctx.headers.authorization;
  if (header !== undefined) {
    if (form.client_secret !== undefined) return null;
    const basic = readBasic(header);
    return basic && (form.client_id ?? basic.client_id) === basic.client_id ? basic : null;
  }
  const { client_id, client_secret = null } = form;
  return client_id === undefined ? null : { client_id, client_secret };
}

// Both parts are form-encoded before they are joined (RFC 6749, 2.3.1).
function readBasic(header: string): Credentials | null {
  const [, encoded] = /^basic ((?:[a-z0-9+/]{4})*(?:[a-z0-9+/]{2}==|[a-z0-9+/]{3}=)?)$/i.exec(header) ?? [];
  const [, name, secret] = /^([^:]+):(.+)$/s.exec(Buffer.from(encoded ?? '', 'base64').toString()) ?? [];
  const client_id = decode(name);
  const client_secret = decode(secret);
  return client_id && client_secret ? { client_id, client_secret } : null;
}

function decode(value: string | undefined): string | null {
  // The rare ones that would have to be decoded are left to the engine.
  return value !== undefined && /^[\x21-\x24\x26-\x2a\x2c-\x7e]+$/.test(value) ? value : null;
}

/**
 * The client, as it is remembered, when it is who it says it is and the page that asks, if any, may read the answer. Only
 * the statement that decides knows whether it still is so; what is not, the engine finds out and says.
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

// By the method that it has registered and a secret that is live now.
function isAuthentic(deps: Deps, client: Client, { client_secret }: Credentials): boolean {
  const method = client.metadata.token_endpoint_auth_method;
  if (client_secret === null) return method === 'none';
  // Either way of sending it will do, as it does for the engine.
  const hasSecret = method === 'client_secret_basic' || method === 'client_secret_post';
  return hasSecret && acceptsSecret(deps, client, client_secret);
}

/**
 * Whether a client may use a grant and has to prove nothing beside. One that is described by its own document may have to
 * be fetched again; one that wants bound tokens is refused without a proof.
 */
export function mayUse(
  { registered_by, metadata }: Pick<Client, 'registered_by' | 'metadata'>,
  grant: string,
): boolean {
  return (
    registered_by !== 'document' &&
    (registered_by === 'admin' || !isVouchedGrant(grant)) &&
    metadata.grant_types?.includes(grant) === true &&
    !metadata.dpop_bound_access_tokens &&
    !metadata.tls_client_certificate_bound_access_tokens
  );
}
