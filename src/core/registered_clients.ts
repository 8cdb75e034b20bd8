// Clients that nobody here vouches for: those that registered themselves, and those whose metadata is a document
// somewhere. They are third-party clients, whatever they say of themselves.
import { z } from 'zod';
import { AppError } from '../lib/errors.ts';
import { isDeeperThan, maxJsonDepth } from '../lib/json_depth.ts';
import { type ClientMetadata, hasSecret, isVouchedGrant, metadataShape } from './client_metadata.ts';
import { firstTokenVersion } from './client_rights.ts';
import { newClientSecret } from './client_secrets.ts';
import type { Client } from './clients.ts';
import { type Db, json, present } from './db.ts';

const shape = z.object(metadataShape);

/**
 * Writes what a client said of itself: what we do not know is dropped, what only an administrator may say is not taken
 * (grants that need no user, or their password, among it), and what breaks our bounds is refused with `invalid_client_metadata`.
 * `secret` is the new secret in the clear; absent, those that the client has stay.
 */
export async function saveRegisteredClient(
  db: Db,
  client_id: string,
  said: Record<string, unknown>,
  registered_by: 'itself' | 'document',
  secret?: string,
): Promise<Client> {
  const metadata = readMetadata(said);
  const secrets = secret && hasSecret(metadata) ? [newClientSecret(secret).stored] : [];
  const now = present(db);
  const row = {
    client_id,
    metadata: json(metadata),
    secrets: json(secrets),
    first_party: false,
    rotation_profile: 'strict',
    registered_by,
    token_version: firstTokenVersion(db),
    created_at: now,
    updated_at: now,
  };
  const changed = ['metadata', 'updated_at', ...(secrets.length > 0 ? ['secrets'] : [])];
  const [saved] = await db<Client>('clients')
    .insert(row as never)
    .onConflict('client_id')
    .merge(changed as never)
    .returning('*');
  return saved as Client;
}

function readMetadata(said: Record<string, unknown>): ClientMetadata {
  if (isDeeperThan(maxJsonDepth, said))
    throw new AppError('invalid_client_metadata', 'the metadata are nested too deeply');
  const given = Object.entries(said).filter(([, value]) => value !== undefined && value !== null);
  const read = shape.safeParse(Object.fromEntries(given));
  if (read.success) return withoutVouchedGrants(read.data);
  const [problem] = read.error.issues;
  throw new AppError('invalid_client_metadata', `${problem?.path.join('.')}: ${problem?.message}`);
}

function withoutVouchedGrants(metadata: ClientMetadata): ClientMetadata {
  const { grant_types } = metadata;
  if (!grant_types?.some(isVouchedGrant)) return metadata;
  const left = grant_types.filter((one) => !isVouchedGrant(one));
  if (left.length > 0) return { ...metadata, grant_types: left };
  throw new AppError(
    'invalid_client_metadata',
    'grant_types: client_credentials and password are for clients that an administrator created',
  );
}
