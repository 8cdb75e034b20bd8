// OAuth clients: the row with its metadata (names of RFC 7591), secrets and limits; how administrators create, change and list it.
import type { Knex } from 'knex';
import { AppError } from '../../lib/errors.ts';
import { newId } from '../../lib/ids.ts';
import { type Columns, declareColumns, isText, json, type Writable } from '../store/columns.ts';
import { isUniqueViolation } from '../store/database_errors.ts';
import type { Db } from '../store/db.ts';
import { present } from '../store/sql_time.ts';
import {
  type ClientChange,
  type ClientMetadata,
  clientChange,
  type NewClient,
  newClient,
} from './client_metadata.ts';
import { firstTokenVersion, losesRights, raisedTokenVersion } from './client_rights.ts';
import {
  consistentColumns,
  hasSecret,
  requireVouched,
  splitColumns,
  unconfirmed,
  withDefaults,
  withoutNulls,
} from './client_rules.ts';
import { type ClientSecret, newClientSecret } from './client_secrets.ts';
import type { NamedClaims } from './named_claims.ts';
import { changedProfile, newProfile, type RotationProfile, windowOf } from './rotation_profiles.ts';
import { fapi2RetryWindow, isFapi2, underProfile } from './security_profile.ts';

export interface Client {
  client_id: string;
  metadata: ClientMetadata;
  secrets: ClientSecret[];
  first_party: boolean;
  /** `admin` when an administrator vouches for the client; else how it was registered. */
  registered_by: 'admin' | 'itself' | 'document';
  rotation_profile: RotationProfile;
  refresh_token_retry_window: number | null;
  access_token_ttl: number | null;
  session_idle_ttl: number | null;
  session_absolute_ttl: number | null;
  /** The most live sessions of one user; null for no limit (core/sessions/session_cap.ts). */
  max_sessions: number | null;
  /**
   * Space-delimited: all scopes that the client can ever be granted. With null, a client that acts for a user can get every
   * scope but `admin`, and a client that acts alone (`client_credentials`) gets none.
   */
  scope: string | null;
  /** The resource server whose tokens this client may introspect, or `*`. */
  resource_server: string | null;
  /** The audience of its tokens when a request names none; null takes the server's default. */
  default_resource: string | null;
  /** Claims of the profile in its access tokens, by their names there. */
  claims: NamedClaims | null;
  /** When an administrator blocked it; a blocked client cannot do anything. */
  blocked_at: Date | null;
  /** A token with another number is inactive: an earlier client had the same id, or this one has lost a right since. */
  token_version: number;
  /** Members that an upgrade changed and no administrator has confirmed since, separated by spaces. */
  review: string | null;
  created_at: Date;
  updated_at: Date;
  /** Set while the client is being removed; for every request it no longer exists. */
  deleted_at: Date | null;
}

// Migration 005, which is never edited, writes the metadata as plain text.
type ClientUpdate = Omit<Writable<Client>, 'metadata'> & { metadata?: string | Knex.Raw };

declare module 'knex/types/tables.js' {
  interface Tables {
    clients: Knex.CompositeTableType<Client, Writable<Client>, ClientUpdate>;
  }
}

export const clientColumns = {
  metadata: 'json',
  claims: 'json',
  secrets: 'json',
  first_party: 'boolean',
  blocked_at: 'time',
  created_at: 'time',
  updated_at: 'time',
  deleted_at: 'time',
} as const satisfies Columns<Client>;
declareColumns('clients', clientColumns);

/** Seconds after a rotation in which the previous refresh token gets the same answer again. */
export function retryWindowOf(client: Client): number {
  return isFapi2(client.metadata) ? fapi2RetryWindow : windowOf(client);
}

/**
 * Registers a client. Returns the row and, when the client authenticates with a secret, that secret: it is returned here and
 * never again. Refuses with `client_exists` or `invalid_client_metadata`.
 */
export async function createClient(
  db: Db,
  input: NewClient,
): Promise<{ client: Client; client_secret?: string }> {
  const { client_id, client_secret, first_party, blocked, ...given } = newClient.parse(input);
  const { metadata, columns: asked } = splitColumns(given);
  const complete = withDefaults(metadata, first_party);
  const columns = consistentColumns(complete, asked);
  const secret = hasSecret(complete) ? newClientSecret(client_secret) : undefined;
  const row = {
    ...columns,
    client_id: client_id ?? newId(),
    metadata: json(complete),
    secrets: json(secret ? [secret.stored] : []),
    first_party,
    ...newProfile({ metadata: complete, registered_by: 'admin' }, { ...given, ...columns }),
    token_version: firstTokenVersion(db),
    ...(blocked ? { blocked_at: present(db) } : {}),
    created_at: present(db),
    updated_at: present(db),
  };
  try {
    const [client] = await db('clients').insert(row).returning('*');
    return { client: client as Client, ...(secret ? { client_secret: secret.client_secret } : {}) };
  } catch (error) {
    throw isUniqueViolation(error) ? new AppError('client_exists') : error;
  }
}

/** Changes a client; null when there is none. The caller lets the engine validate the result before it commits. */
export async function updateClient(
  tx: Knex.Transaction,
  client_id: string,
  change: ClientChange,
): Promise<Client | null> {
  const client = await tx('clients').where({ client_id }).whereNull('deleted_at').forUpdate().first();
  if (!client) return null;
  const {
    first_party = client.first_party,
    blocked,
    registered_by: _by,
    ...given
  } = clientChange.parse(change);
  // An administrator who makes a client first-party vouches for it: from then on it cannot change its own metadata.
  const registered_by = first_party ? 'admin' : (change.registered_by ?? client.registered_by);
  const { metadata, columns: changed } = splitColumns(given);
  const merged = withDefaults(withoutNulls({ ...client.metadata, ...metadata }), first_party);
  const columns = consistentColumns(merged, changed, client.metadata);
  requireVouched(merged, registered_by);
  const after = { ...client, ...columns, first_party, metadata: merged };
  const [updated] = await tx('clients')
    .where({ client_id })
    .update({
      ...columns,
      ...changedProfile(client, { metadata: merged, registered_by }, { ...given, ...columns }),
      first_party,
      registered_by,
      ...(blocked === undefined ? {} : { blocked_at: blocked ? (client.blocked_at ?? present(tx)) : null }),
      metadata: json(merged),
      review: unconfirmed(client.review, given),
      ...(losesRights(client, after) ? { token_version: raisedTokenVersion(tx) } : {}),
      updated_at: present(tx),
    })
    .returning('*');
  return updated ?? null;
}

/** Clients in the order of their ids. */
export async function listClients(db: Db, limit: number, after?: string): Promise<Client[]> {
  const query = db('clients').whereNull('deleted_at').orderBy('client_id').limit(limit);
  return await (after === undefined ? query : query.where('client_id', '>', after));
}

/** The client of this id, or null. */
export async function findClient(db: Db, client_id: string): Promise<Client | null> {
  if (!isText(client_id)) return null;
  const found = await db('clients').where({ client_id }).whereNull('deleted_at').first();
  return found ? underProfile(found) : null;
}

/** Whether pages of `origin` may call the server as this client: the origins of its redirect URIs and its `allowed_origins`. */
export function isRegisteredOrigin({ metadata }: Pick<Client, 'metadata'>, origin: string): boolean {
  const redirects = (metadata.redirect_uris ?? []).map((uri) => URL.parse(uri)?.origin);
  return origin !== 'null' && [...redirects, ...(metadata.allowed_origins ?? [])].includes(origin);
}

/** The client as the API shows it: names of RFC 7591, no digests. */
export function describeClient(client: Client): Record<string, unknown> {
  const { secrets, token_version: _version, review: _review, blocked_at, ...rest } = client;
  const { registered_scope: _scope, ...metadata } = client.metadata;
  const client_secrets = secrets.map(({ id, created, expires }) => ({ id, created, expires }));
  const blocked = blocked_at ? true : null;
  const { metadata: _all, ...columns } = rest;
  const all = {
    ...metadata,
    ...columns,
    blocked,
    // The longest that can be written, so that what is read can be written again.
    refresh_token_retry_window: Math.min(retryWindowOf(client), 86_400),
    client_secrets,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null));
}
