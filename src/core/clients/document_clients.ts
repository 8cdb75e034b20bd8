// Clients whose id is the URL of a document with their metadata: what is stored about them, and when. See registered_clients.ts.
import type { RequestSource } from '../request_source.ts';
import type { Db } from '../store/db.ts';
import { present } from '../store/sql_time.ts';
import type { ClientMetadata } from './client_metadata.ts';
import type { Client } from './clients.ts';
import {
  changeOf,
  columnsOf,
  type Extra,
  findAllowedScope,
  newRow,
  readMetadata,
  recordClientEvent,
  saveRegisteredClient,
  withScope,
} from './registered_clients.ts';
import { newProfile } from './rotation_profiles.ts';

/**
 * Whether a client id is the URL of a document. The scheme is in lower case only: ids are compared as strings, so another spelling of a URL
 * would be another client with the same document.
 */
export function isDocumentId(client_id: string): boolean {
  return client_id.startsWith('https://');
}

/** A fetched document may be cached for a while; this is when, and for which request, it was fetched. */
export interface Fetched extends Extra {
  fetched_at: Date;
}

/**
 * The client that a document describes, for this request; null when an administrator has blocked it. Reading a document writes
 * only when the client has a row, because a user has logged in with it, and the document has changed since: invented ids
 * leave no rows. A document that was fetched before the row was written changes nothing either. Otherwise two nodes, one with
 * the old document in its cache and one with the new, would undo each other's writes and end the client's tokens.
 */
export async function readDocumentClient(
  db: Db,
  client_id: string,
  given: Record<string, unknown>,
  { fetched_at, ...extra }: Fetched,
): Promise<Client | null> {
  const found = await db('clients').where({ client_id }).whereNull('deleted_at').first();
  if (found?.blocked_at) return null;
  const metadata = readMetadata(given);
  const allowed = await findAllowedScope(db, metadata, extra.scope);
  if (!found) return unsaved(client_id, metadata, allowed);
  return found.updated_at < fetched_at && changeOf(found, metadata, allowed)
    ? await saveRegisteredClient(db, client_id, given, 'document', extra)
    : found;
}

/** Creates the row of such a client, which sessions and consents reference, before the first of them is written. */
export async function keepDocumentClient(db: Db, client: Client, source?: RequestSource): Promise<void> {
  if (client.registered_by !== 'document') return;
  await db.transaction(async (tx) => {
    const { client_id, metadata, scope } = client;
    const columns = { ...columnsOf(metadata, scope), updated_at: present(tx) };
    const made = await tx('clients')
      .insert(newRow(tx, client_id, { metadata, registered_by: 'document' }, columns))
      .onConflict('client_id')
      .ignore()
      .returning('client_id');
    if (made.length === 0) return;
    await recordClientEvent(tx, 'client_registered', client_id, source, {
      detail: { registered_by: 'document' },
    });
  });
}

function unsaved(client_id: string, metadata: ClientMetadata, scope: string | null): Client {
  const now = new Date();
  return {
    client_id,
    metadata: withScope(metadata, scope),
    secrets: [],
    first_party: false,
    registered_by: 'document',
    ...newProfile({ metadata, registered_by: 'document' }),
    access_token_ttl: null,
    session_idle_ttl: null,
    session_absolute_ttl: null,
    max_sessions: null,
    scope,
    resource_server: null,
    default_resource: null,
    claims: null,
    blocked_at: null,
    token_version: 0,
    review: null,
    created_at: now,
    updated_at: now,
    deleted_at: null,
  };
}
