// Clients that are described by a document at their id (client ID metadata documents): what the engine has fetched is made
// suitable before the engine judges it, and stands beside the row, if there is one, in every request.
import { type KoaContextWithOIDC, Provider } from 'oidc-provider';
import { findClient } from '../../core/clients/clients.ts';
import { readDocumentClient } from '../../core/clients/document_clients.ts';
import { suitableMetadata } from '../../core/clients/suitable_metadata.ts';
import type { Deps } from '../../core/deps.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import { engineMetadata, isOurRow, offerOf, refusingMetadata, signingAlgs } from './engine_metadata.ts';

type Metadata = Record<string, unknown>;

/** For the engine's `extraClientMetadata`: called while it makes a client, before it judges the metadata. */
export function suitDocument(deps: Deps, metadata: Metadata): void {
  const { client_id, kindred, scope, ...said } = metadata;
  if (typeof client_id !== 'string' || !client_id.startsWith('https://') || isOurRow(kindred)) return;
  // The engine's default, since a document may not name a secret; its keys tell how such a client authenticates.
  const isUnsaid = said.token_endpoint_auth_method === 'client_secret_basic';
  const method = said.jwks || said.jwks_uri ? 'private_key_jwt' : 'none';
  const suitable = refusing(() =>
    suitableMetadata(isUnsaid ? { ...said, token_endpoint_auth_method: method } : said, offerOf(deps)),
  );
  for (const name of Object.keys(metadata))
    if (name !== 'client_id' && !(name in suitable)) delete metadata[name];
  // Judged with the row; and whatever the document itself calls so is not ours.
  Object.assign(metadata, suitable, { kindred: { scope } });
}

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
 * For the engine's `allowClient`: gives the client the row of ours that it goes by; false when it was blocked. `fetched_at`:
 * when its document was fetched, which the engine keeps.
 */
export async function adoptDocumentClient(
  deps: Deps,
  client: DocumentClient,
  fetched_at: Date,
): Promise<boolean> {
  const { scope } = client.kindred as { scope?: unknown };
  const said = withoutDefaults(deps, client.metadata());
  try {
    const ctx = Provider.ctx as KoaContextWithOIDC | undefined;
    const extra = { scope, fetched_at, ...(ctx ? { source: requestSourceOf(ctx) } : {}) };
    const kindred = await readDocumentClient(deps.db, client.clientId, said, extra);
    Object.defineProperty(client, 'kindred', { value: kindred });
    return kindred !== null;
  } catch (error) {
    throw refusingMetadata(error);
  }
}

// What the engine added is this server's, and may be another tomorrow.
function withoutDefaults({ keys }: Deps, metadata: Metadata): Metadata {
  const { alg } = keys.current();
  const { id_token_signed_response_alg, introspection_signed_response_alg, ...said } = metadata;
  return {
    ...said,
    ...(id_token_signed_response_alg === alg ? {} : { id_token_signed_response_alg }),
    ...(introspection_signed_response_alg === alg ? {} : { introspection_signed_response_alg }),
  };
}

// Where a session that exists goes on or ends. Whoever begins one needs the document as it is now.
const goingOn = new Set(['token', 'introspection', 'revocation', 'userinfo']);

/**
 * What the engine is to know of a client whose document cannot be had, or null: the row of a public client, so that its
 * users stay signed in, and can sign out, while its host is away. A client with keys might have taken them back.
 */
export async function findDespiteDocument(deps: Deps, client_id: string): Promise<object | null> {
  const { route } = (Provider.ctx as KoaContextWithOIDC | undefined)?.oidc ?? {};
  if (!goingOn.has(route ?? '')) return null;
  const row = await findClient(deps.db, client_id);
  if (row?.registered_by !== 'document' || row.blocked_at) return null;
  const isPublic = row.metadata.token_endpoint_auth_method === 'none';
  return isPublic ? engineMetadata(row, signingAlgs(deps)) : null;
}
