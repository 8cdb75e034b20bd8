// Clients described by a document at the URL that is their id (client ID metadata documents). What the engine has
// fetched is adapted before the engine validates it, and is used together with the client's row, if there is one.
import { errors, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { Client } from '../../core/clients/clients.ts';
import { isDocumentId, readDocumentClient } from '../../core/clients/document_clients.ts';
import { responseAlgs } from '../../core/clients/response_algs.ts';
import { suitableMetadata } from '../../core/clients/suitable_metadata.ts';
import type { Deps } from '../../core/deps.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import { AppError } from '../../lib/errors.ts';
import { engineMetadata, isOurRow, offerOf, refusingMetadata } from './engine_metadata.ts';

type Metadata = Record<string, unknown>;

/** For the engine's `extraClientMetadata`: adapts the metadata of a client before the engine validates them. */
export function suitDocument(deps: Deps, metadata: Metadata): void {
  const { client_id, kindred, scope, ...members } = metadata;
  if (typeof client_id !== 'string' || !isDocumentId(client_id) || isOurRow(kindred)) return;
  // The engine's default for a client that names no method. A document may not name a secret: its keys decide.
  const namesNoMethod = members.token_endpoint_auth_method === 'client_secret_basic';
  const method = members.jwks || members.jwks_uri ? 'private_key_jwt' : 'none';
  const named = namesNoMethod ? { ...members, token_endpoint_auth_method: method } : members;
  const suitable = refusing(() => suitableMetadata(withoutFalse(named), offerOf(deps)));
  for (const name of Object.keys(metadata))
    if (name !== 'client_id' && !(name in suitable)) delete metadata[name];
  const algs = responseAlgs({ first_party: false, metadata: suitable }, deps.keys.algs());
  const said = Object.fromEntries(Object.entries(suitable).filter(([name]) => name in algs));
  // A member `kindred` of the document itself is dropped: it is not our row.
  Object.assign(metadata, suitable, algs, { kindred: { scope, said } });
}

// The engine has added what RFC 9126, 9449 and 8705 have as defaults; a document that does not name them leaves them to its profile.
function withoutFalse(members: Metadata): Metadata {
  return Object.fromEntries(
    Object.entries(members).filter(([name, value]) => value !== false || !flags.has(name)),
  );
}

const flags = new Set([
  'require_pushed_authorization_requests',
  'dpop_bound_access_tokens',
  'tls_client_certificate_bound_access_tokens',
]);

function refusing<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    throw refusingMetadata(error);
  }
}

interface DocumentClient {
  clientId: string;
  kindred?: unknown;
  metadata: () => Metadata;
}

/**
 * For the engine's `allowClient`: attaches our row to the client; false when it was blocked. `fetched_at` is when its document,
 * which the engine caches, was fetched.
 */
export async function adoptDocumentClient(
  deps: Deps,
  client: DocumentClient,
  fetched_at: Date,
): Promise<boolean> {
  const { scope, said } = client.kindred as { scope?: unknown; said: Metadata };
  const metadata = { ...withoutAlgs(client.metadata()), ...said };
  try {
    const ctx = Provider.ctx as KoaContextWithOIDC | undefined;
    const extra = { scope, fetched_at, ...(ctx ? { source: requestSourceOf(ctx) } : {}) };
    const kindred = await readDocumentClient(deps.db, client.clientId, metadata, extra);
    Object.defineProperty(client, 'kindred', { value: kindred });
    return kindred !== null;
  } catch (error) {
    throw refusingMetadata(error);
  }
}

// Without the algorithms, which follow from this server's settings where the document names none.
function withoutAlgs(metadata: Metadata): Metadata {
  const {
    id_token_signed_response_alg: _ofIdTokens,
    introspection_signed_response_alg: _own,
    ...others
  } = metadata;
  return others;
}

// Routes at which an existing session is used or ended. Opening a session needs the current document.
const sessionRoutes = new Set(['token', 'introspection', 'revocation', 'userinfo']);

/**
 * The stored metadata of a client for a request that uses or ends a session, or null: those of a public client, so that its users
 * stay signed in, and can sign out, whatever its host does. A client with keys might have revoked them.
 */
export function storedMetadata(deps: Deps, row: Client | null): object | null {
  const { route } = (Provider.ctx as KoaContextWithOIDC | undefined)?.oidc ?? {};
  if (!sessionRoutes.has(route ?? '') || row?.registered_by !== 'document') return null;
  const isPublic = row.metadata.token_endpoint_auth_method === 'none';
  return isPublic ? engineMetadata(row, deps.keys.algs()) : null;
}

/** Whether the engine could not fetch a document; a document with unsuitable metadata is another error. */
export function isFetchFailure(error: unknown): boolean {
  if (error instanceof AppError) return error.code === 'document_unavailable';
  return (
    error instanceof errors.InvalidClient &&
    error.error_description === 'client_id metadata document fetch failed'
  );
}
