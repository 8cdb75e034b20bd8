// Clients that no administrator vouches for: those that registered themselves, and those described by a document. They are
// third-party clients, whatever their metadata says.
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { AppError } from '../../lib/errors.ts';
import { recordEvents } from '../audit/audit.ts';
import type { NewEvent } from '../audit/audit_events.ts';
import type { RequestSource } from '../request_source.ts';
import { json } from '../store/columns.ts';
import { type Db, rows } from '../store/db.ts';
import { present } from '../store/sql_time.ts';
import { type ClientMetadata, metadataShape } from './client_metadata.ts';
import { firstTokenVersion, losesRights, raisedTokenVersion } from './client_rights.ts';
import { hasSecret, isVouchedGrant } from './client_rules.ts';
import { newClientSecret } from './client_secrets.ts';
import type { Client } from './clients.ts';
import { oidcScopes } from './own_scopes.ts';
import { findUriProblem } from './redirect_uris.ts';
import { changedProfile, newProfile, type ProfileColumns, type ProfiledClient } from './rotation_profiles.ts';
import { suitableScope } from './suitable_metadata.ts';

const shape = z.object(metadataShape);

type Author = 'itself' | 'document';

/** The other parts of a registration, beside the metadata. */
export interface Extra {
  /** The scope that the client requests; the part that it may have is registered. */
  scope?: unknown;
  /** The new secret in plain text; when absent, the existing secrets stay. */
  secret?: string | undefined;
  source?: RequestSource;
}

/**
 * Stores the metadata that a client declared about itself, with an event, if anything is new. Members that only an administrator
 * may set are left out, such as grants that need no user or the user's password. Metadata that exceeds our bounds is refused with
 * `invalid_client_metadata`. A client that an administrator vouches for stays as it is.
 */
export async function saveRegisteredClient(
  db: Db,
  client_id: string,
  given: Record<string, unknown>,
  registered_by: Author,
  { scope, secret, source }: Extra = {},
): Promise<Client> {
  const metadata = readMetadata(given);
  const allowed = await findAllowedScope(db, metadata, scope);
  const secrets = secret && hasSecret(metadata) ? [newClientSecret(secret).stored] : [];
  return await db.transaction(async (tx) => {
    const found = await tx('clients').where({ client_id }).forUpdate().first();
    if (found && found.registered_by === 'admin') return found;
    const change = found ? changeOf(found, metadata, allowed) : null;
    if (found && !change && secrets.length === 0) return found;
    const isLess = found && change && losesRights(found, { ...found, metadata, scope: change.scope });
    const row = {
      ...(change ?? columnsOf(metadata, allowed)),
      ...(isLess ? { token_version: raisedTokenVersion(tx) } : {}),
      ...(secrets.length > 0 ? { secrets: json(secrets) } : {}),
      updated_at: present(tx),
    };
    const saved = found
      ? await update(tx, client_id, row)
      : await insert(tx, client_id, { metadata, registered_by }, row);
    const detail = found ? {} : { detail: { registered_by } };
    await recordClientEvent(tx, found ? 'client_updated' : 'client_registered', client_id, source, detail);
    return saved;
  });
}

/** Records the event of a client that registered or changed itself. */
export async function recordClientEvent(
  tx: Db,
  type: NewEvent['type'],
  client_id: string,
  source: RequestSource | undefined,
  more: Partial<NewEvent>,
): Promise<void> {
  await recordEvents(tx, [{ type, client_id, actor: 'client', actor_id: client_id, ...more, ...source }]);
}

/**
 * The columns of a client's metadata and scope. The metadata also keeps the scope that the registration allowed, which
 * distinguishes it from a scope that an administrator has set since.
 */
export function columnsOf(metadata: ClientMetadata, scope: string | null) {
  return { metadata: json(withScope(metadata, scope)), scope };
}

/** Metadata together with the scope that the registration allowed. */
export function withScope(metadata: ClientMetadata, scope: string | null): ClientMetadata {
  const { registered_scope: _before, ...rest } = metadata;
  return scope === null ? rest : { ...rest, registered_scope: scope };
}

/** The columns to write for this metadata; null when nothing is new. A scope that an administrator has set stays. */
export function changeOf(
  found: Client,
  metadata: ClientMetadata,
  allowed: string | null,
): (ReturnType<typeof columnsOf> & ProfileColumns) | null {
  const isOurs = found.scope !== (found.metadata.registered_scope ?? null);
  const scope = isOurs ? found.scope : allowed;
  const isSame = isDeepStrictEqual(found.metadata, withScope(metadata, allowed)) && found.scope === scope;
  if (isSame) return null;
  const profile = changedProfile(found, { metadata, registered_by: found.registered_by });
  return { ...columnsOf(metadata, allowed), scope, ...profile };
}

/** The row of a new client that no administrator vouches for. */
export function newRow(db: Db, client_id: string, client: ProfiledClient, columns: object) {
  return {
    secrets: json([]),
    ...columns,
    client_id,
    first_party: false,
    registered_by: client.registered_by,
    ...newProfile(client),
    token_version: firstTokenVersion(db),
    created_at: present(db),
  };
}

async function insert(tx: Db, client_id: string, client: ProfiledClient, columns: object): Promise<Client> {
  const [saved] = await tx('clients')
    .insert(newRow(tx, client_id, client, columns))
    .returning('*');
  return saved as Client;
}

async function update(tx: Db, client_id: string, columns: object): Promise<Client> {
  const [saved] = await tx('clients').where({ client_id }).update(columns).returning('*');
  return saved as Client;
}

/** The part of the requested scope that a client may have. It knows the scopes of the first 1,000 resource servers. */
export async function findAllowedScope(
  db: Db,
  { grant_types = [] }: ClientMetadata,
  scope: unknown,
): Promise<string | null> {
  if (typeof scope !== 'string') return suitableScope(scope, new Set(), grant_types);
  const found = await rows<{ scope: string }>(
    db,
    'select scope from resource_servers order by identifier limit 1000',
  );
  const known = new Set([...oidcScopes, ...found.flatMap((one) => one.scope.split(' '))]);
  return suitableScope(scope, known, grant_types);
}

/** The metadata among the members that a client sent. Refuses with `invalid_client_metadata` what exceeds our bounds. */
export function readMetadata(given: Record<string, unknown>): ClientMetadata {
  const members = Object.entries(given).filter(([, value]) => value !== undefined && value !== null);
  const read = shape.safeParse(Object.fromEntries(members));
  if (!read.success) {
    const [problem] = read.error.issues;
    throw new AppError('invalid_client_metadata', `${problem?.path.join('.')}: ${problem?.message}`);
  }
  for (const name of ['redirect_uris', 'post_logout_redirect_uris'] as const) {
    const problem = read.data[name]?.map(findUriProblem).find((one) => one !== null);
    if (problem) throw new AppError('invalid_client_metadata', `${name}: ${problem}`);
  }
  return withoutVouchedGrants(read.data);
}

function withoutVouchedGrants(metadata: ClientMetadata): ClientMetadata {
  const { grant_types } = metadata;
  if (!grant_types?.some(isVouchedGrant)) return metadata;
  const left = grant_types.filter((one) => !isVouchedGrant(one));
  if (left.length > 0) return { ...metadata, grant_types: left };
  throw new AppError(
    'invalid_client_metadata',
    'grant_types: client_credentials and password are only for clients that an administrator created',
  );
}
