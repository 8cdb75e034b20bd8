// OAuth clients: their metadata (RFC 7591 names), their secrets, and how their sessions live.
import type { Knex } from 'knex';
import { z } from 'zod';
import { AppError } from '../lib/errors.ts';
import { newId } from '../lib/ids.ts';
import { type ClientSecret, newClientSecret } from './client_secrets.ts';
import { type Db, isText, isUniqueViolation, json, present } from './db.ts';

export type RotationProfile = 'strict' | 'spa' | 'mobile' | 'observe';

export interface Client {
  client_id: string;
  metadata: ClientMetadata;
  secrets: ClientSecret[];
  first_party: boolean;
  /** Who vouches for what the client says of itself: an administrator, or nobody. */
  registered_by: 'admin' | 'itself' | 'document';
  rotation_profile: RotationProfile;
  refresh_token_retry_window: number | null;
  access_token_ttl: number | null;
  session_idle_ttl: number | null;
  session_absolute_ttl: number | null;
  /** Space-delimited bound of what the client can ever be granted; null bounds nothing but `admin`. */
  scope: string | null;
  /** The resource server whose tokens this client may introspect, or `*`. */
  resource_server: string | null;
  created_at: Date;
  updated_at: Date;
}

const uri = z.url().max(2048);
const ttl = z.number().int().min(1).max(315_360_000);
const scope = z
  .string()
  .regex(
    /^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/,
    'must be scope tokens separated by single spaces',
  );

/** What RFC 7591 and we let a client say of itself. */
export const metadataShape = {
  client_name: z.string().min(1).max(200).optional(),
  application_type: z.enum(['web', 'native']).optional(),
  redirect_uris: z.array(z.string().max(2048)).max(50).optional(),
  post_logout_redirect_uris: z.array(z.string().max(2048)).max(50).optional(),
  grant_types: z.array(z.string()).min(1).optional(),
  response_types: z.array(z.string()).optional(),
  token_endpoint_auth_method: z
    .enum([
      'none',
      'client_secret_basic',
      'client_secret_post',
      'private_key_jwt',
      'self_signed_tls_client_auth',
    ])
    .optional(),
  token_endpoint_auth_signing_alg: z.string().optional(),
  jwks: z.looseObject({ keys: z.array(z.looseObject({})) }).optional(),
  jwks_uri: uri.optional(),
  client_uri: uri.optional(),
  logo_uri: uri.optional(),
  policy_uri: uri.optional(),
  tos_uri: uri.optional(),
  contacts: z.array(z.string().max(254)).optional(),
  software_id: z.string().max(200).optional(),
  software_version: z.string().max(200).optional(),
  id_token_signed_response_alg: z.string().optional(),
  default_max_age: z.number().int().min(0).optional(),
  require_auth_time: z.boolean().optional(),
  dpop_bound_access_tokens: z.boolean().optional(),
  tls_client_certificate_bound_access_tokens: z.boolean().optional(),
  backchannel_logout_uri: uri.optional(),
  backchannel_logout_session_required: z.boolean().optional(),
  require_pushed_authorization_requests: z.boolean().optional(),
  require_signed_request_object: z.boolean().optional(),
  request_object_signing_alg: z.string().optional(),
  introspection_signed_response_alg: z.string().optional(),
  initiate_login_uri: uri.optional(),
  /** Origins whose pages may call the token endpoint, beside those of the redirect URIs. */
  allowed_origins: z
    .array(z.string().refine(isOrigin, 'must be an origin such as https://app.example'))
    .max(50)
    .optional(),
};

const columnShape = {
  scope: scope.optional(),
  rotation_profile: z.enum(['strict', 'spa', 'mobile', 'observe']).optional(),
  refresh_token_retry_window: z.number().int().min(0).max(86_400).optional(),
  access_token_ttl: ttl.optional(),
  session_idle_ttl: ttl.optional(),
  session_absolute_ttl: ttl.optional(),
  resource_server: z.union([uri, z.literal('*')]).optional(),
};

/** What `create-client --metadata` takes. */
export const newClient = z.strictObject({
  ...metadataShape,
  ...columnShape,
  client_id: z
    .string()
    .regex(/^[\x21-\x7e]{1,200}$/, 'must be 1 to 200 visible ASCII characters')
    .optional(),
  client_secret: z
    .string()
    .regex(/^[\x21-\x7e]{1,512}$/, 'must be visible ASCII characters')
    .optional(),
  first_party: z.boolean().default(false),
});

const nullable = <Shape extends Record<string, z.ZodType>>(shape: Shape) =>
  Object.fromEntries(Object.entries(shape).map(([name, field]) => [name, field.nullable()])) as {
    [Name in keyof Shape]: z.ZodNullable<Shape[Name]>;
  };

/** A change of a client: what is absent stays, what is null goes back to its default (RFC 7396). */
export const clientChange = z.strictObject({
  ...nullable(metadataShape),
  ...nullable(columnShape),
  first_party: z.boolean().optional(),
});

export type ClientChange = z.input<typeof clientChange>;
export type NewClient = z.input<typeof newClient>;
export type ClientMetadata = z.output<z.ZodObject<typeof metadataShape>>;

/**
 * Registration as the engine accepts it; what `noted` writes stands or falls with the change. An interface, because the
 * routes that need it must not know the engine.
 */
export interface ClientRegistry {
  register: (
    input: NewClient,
    noted?: (tx: Knex.Transaction, client: Client) => Promise<void>,
  ) => Promise<{ client: Client; client_secret?: string }>;
  /** Null when there is no such client. */
  change: (
    client_id: string,
    change: ClientChange,
    noted?: (tx: Knex.Transaction, client: Client) => Promise<void>,
  ) => Promise<Client | null>;
}

const retryWindows: Record<RotationProfile, number> = { strict: 0, spa: 60, mobile: 60, observe: 60 };

/** How long after a rotation its predecessor gets the same answer again, seconds. */
export function retryWindowOf(client: Client): number {
  return client.refresh_token_retry_window ?? retryWindows[client.rotation_profile];
}

/** Whether the client authenticates with a secret. */
export function hasSecret(metadata: ClientMetadata): boolean {
  return ['client_secret_basic', 'client_secret_post'].includes(metadata.token_endpoint_auth_method ?? '');
}

/**
 * Registers a client. Returns the row and, when the client authenticates with a secret, that secret: it is shown
 * here and never again. Refuses with `client_exists`.
 */
export async function createClient(
  db: Db,
  input: NewClient,
): Promise<{ client: Client; client_secret?: string }> {
  const { client_id, client_secret, first_party, ...given } = newClient.parse(input);
  const { metadata, columns } = apart(given);
  const complete = withDefaults(metadata, first_party);
  requireConfidential(complete);
  const secret = hasSecret(complete) ? newClientSecret(client_secret) : undefined;
  const row = {
    ...columns,
    client_id: client_id ?? newId(),
    metadata: json(complete),
    secrets: json(secret ? [secret.stored] : []),
    first_party,
    rotation_profile: given.rotation_profile ?? 'strict',
    created_at: present(db),
    updated_at: present(db),
  };
  try {
    const [client] = await db<Client>('clients')
      .insert(row as never)
      .returning('*');
    return { client: client as Client, ...(secret ? { client_secret: secret.client_secret } : {}) };
  } catch (error) {
    throw isUniqueViolation(error) ? new AppError('client_exists') : error;
  }
}

/** Changes a client; null when there is none. The caller checks with the engine before it commits. */
export async function updateClient(
  tx: Knex.Transaction,
  client_id: string,
  change: ClientChange,
): Promise<Client | null> {
  const client = await tx<Client>('clients').where({ client_id }).forUpdate().first();
  if (!client) return null;
  const { first_party = client.first_party, ...given } = clientChange.parse(change);
  const { metadata, columns } = apart(given);
  const merged = withDefaults(withoutNulls({ ...client.metadata, ...metadata }), first_party);
  requireConfidential(merged);
  const [updated] = await tx<Client>('clients')
    .where({ client_id })
    .update({
      ...columns,
      ...('rotation_profile' in given ? { rotation_profile: given.rotation_profile ?? 'strict' } : {}),
      first_party,
      metadata: json(merged),
      updated_at: present(tx),
    } as never)
    .returning('*');
  return updated ?? null;
}

/** Clients in the order of their ids. */
export async function listClients(db: Db, limit: number, after?: string): Promise<Client[]> {
  const query = db<Client>('clients').orderBy('client_id').limit(limit);
  return await (after === undefined ? query : query.where('client_id', '>', after));
}

/** Removes a client and, with it, its sessions; false when there is none. Its tokens are inactive at once. */
export async function deleteClient(db: Db, client_id: string): Promise<boolean> {
  return (await db<Client>('clients').where({ client_id }).delete()) > 0;
}

/** The client of this id, or null. */
export async function findClient(db: Db, client_id: string): Promise<Client | null> {
  if (!isText(client_id)) return null;
  return (await db<Client>('clients').where({ client_id }).first()) ?? null;
}

/** Whether pages of `origin` may call us in the client's name: its redirect URIs' origins and those it registered. */
export function isRegisteredOrigin({ metadata }: Client, origin: string): boolean {
  const redirects = (metadata.redirect_uris ?? []).map((uri) => URL.parse(uri)?.origin);
  return origin !== 'null' && [...redirects, ...(metadata.allowed_origins ?? [])].includes(origin);
}

/** The client as its owner sees it: RFC 7591 names, no digests. */
export function describeClient(client: Client): Record<string, unknown> {
  const { metadata, secrets, ...rest } = client;
  const client_secrets = secrets.map(({ id, created, expires }) => ({ id, created, expires }));
  const all = { ...metadata, ...rest, refresh_token_retry_window: retryWindowOf(client), client_secrets };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null));
}

const columnNames = new Set(Object.keys(columnShape));

// Some of what describes a client has a column of its own; the rest is the metadata of RFC 7591.
function apart(given: Record<string, unknown>): {
  metadata: ClientMetadata;
  columns: Record<string, unknown>;
} {
  const isColumn = ([name]: [string, unknown]) => columnNames.has(name);
  const entries = Object.entries(given);
  return {
    metadata: Object.fromEntries(entries.filter((entry) => !isColumn(entry))) as ClientMetadata,
    columns: Object.fromEntries(entries.filter(isColumn)),
  };
}

// Whoever knows the name of a public client would get what the client itself may have (RFC 6749, 4.4).
function requireConfidential({ token_endpoint_auth_method, grant_types }: ClientMetadata): void {
  if (token_endpoint_auth_method !== 'none' || !grant_types?.includes('client_credentials')) return;
  throw new AppError('invalid_client_metadata', 'a public client may not use client_credentials');
}

function withoutNulls(metadata: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(metadata).filter(([, value]) => value !== null));
}

// RFC 7591 defaults suit third-party web clients; a first-party app logs people in with a password.
function withDefaults(given: ClientMetadata, firstParty: boolean): ClientMetadata {
  const redirects = given.redirect_uris ?? [];
  const grant_types = given.grant_types ?? defaultGrantTypes(firstParty, redirects.length > 0);
  const usesCode = grant_types.includes('authorization_code');
  return {
    ...given,
    redirect_uris: redirects,
    grant_types,
    response_types: given.response_types ?? (usesCode ? ['code'] : []),
    token_endpoint_auth_method:
      given.token_endpoint_auth_method ??
      (given.jwks || given.jwks_uri ? 'private_key_jwt' : 'client_secret_basic'),
  };
}

// Somewhere to redirect to means the code flow; without it, an app logs people in and anything else is a machine.
function defaultGrantTypes(firstParty: boolean, redirects: boolean): string[] {
  if (redirects) return ['authorization_code', 'refresh_token'];
  return firstParty ? ['password', 'refresh_token'] : ['client_credentials'];
}

function isOrigin(value: string): boolean {
  const url = URL.parse(value);
  return url !== null && url.origin === value && ['http:', 'https:'].includes(url.protocol);
}
