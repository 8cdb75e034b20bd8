// OAuth clients: their metadata (RFC 7591 names), their secrets, and how their sessions live.
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { digest, equalBytes } from '../lib/crypto.ts';
import { AppError } from '../lib/errors.ts';
import { newId } from '../lib/ids.ts';
import { type Db, isText, isUniqueViolation, json, present } from './db.ts';

export type RotationProfile = 'strict' | 'spa' | 'mobile' | 'observe';

export interface ClientSecret {
  id: string;
  salt: string;
  digest: string;
  /** ISO 8601, as JSON keeps it. */
  created: string;
  expires: string | null;
}

export interface Client {
  client_id: string;
  metadata: ClientMetadata;
  secrets: ClientSecret[];
  first_party: boolean;
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

const metadataShape = {
  client_name: z.string().min(1).max(200).optional(),
  application_type: z.enum(['web', 'native']).optional(),
  redirect_uris: z.array(z.string().max(2048)).max(50).optional(),
  post_logout_redirect_uris: z.array(z.string().max(2048)).max(50).optional(),
  grant_types: z.array(z.string()).min(1).optional(),
  response_types: z.array(z.string()).optional(),
  token_endpoint_auth_method: z
    .enum(['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'])
    .optional(),
  token_endpoint_auth_signing_alg: z.string().optional(),
  jwks: z.looseObject({ keys: z.array(z.looseObject({})) }).optional(),
  jwks_uri: uri.optional(),
  client_uri: uri.optional(),
  logo_uri: uri.optional(),
  policy_uri: uri.optional(),
  tos_uri: uri.optional(),
  contacts: z.array(z.string().max(254)).optional(),
  dpop_bound_access_tokens: z.boolean().optional(),
  /** Origins whose pages may call the token endpoint, beside those of the redirect URIs. */
  allowed_origins: z
    .array(z.string().refine(isOrigin, 'must be an origin such as https://app.example'))
    .max(50)
    .optional(),
};

/** What `create-client --metadata` takes. */
export const newClient = z.strictObject({
  ...metadataShape,
  client_id: z
    .string()
    .regex(/^[\x21-\x7e]{1,200}$/, 'must be 1 to 200 visible ASCII characters')
    .optional(),
  client_secret: z
    .string()
    .regex(/^[\x21-\x7e]{1,512}$/, 'must be visible ASCII characters')
    .optional(),
  scope: scope.optional(),
  first_party: z.boolean().default(false),
  rotation_profile: z.enum(['strict', 'spa', 'mobile', 'observe']).default('strict'),
  refresh_token_retry_window: z.number().int().min(0).max(86_400).optional(),
  access_token_ttl: ttl.optional(),
  session_idle_ttl: ttl.optional(),
  session_absolute_ttl: ttl.optional(),
  resource_server: z.union([uri, z.literal('*')]).optional(),
});

export type NewClient = z.input<typeof newClient>;
export type ClientMetadata = z.output<z.ZodObject<typeof metadataShape>>;

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
  const {
    client_id,
    client_secret,
    scope,
    first_party,
    rotation_profile,
    refresh_token_retry_window,
    access_token_ttl,
    session_idle_ttl,
    session_absolute_ttl,
    resource_server,
    ...given
  } = newClient.parse(input);
  const metadata = withDefaults(given, first_party);
  const secret = hasSecret(metadata) ? (client_secret ?? randomBytes(32).toString('base64url')) : undefined;
  const row = {
    client_id: client_id ?? newId(),
    metadata: json(metadata),
    secrets: json(secret ? [sealSecret(secret)] : []),
    first_party,
    rotation_profile,
    refresh_token_retry_window: refresh_token_retry_window ?? null,
    access_token_ttl: access_token_ttl ?? null,
    session_idle_ttl: session_idle_ttl ?? null,
    session_absolute_ttl: session_absolute_ttl ?? null,
    scope: scope ?? null,
    resource_server: resource_server ?? null,
    created_at: present(db),
    updated_at: present(db),
  };
  try {
    const [client] = await db<Client>('clients')
      .insert(row as never)
      .returning('*');
    return { client: client as Client, ...(secret ? { client_secret: secret } : {}) };
  } catch (error) {
    throw isUniqueViolation(error) ? new AppError('client_exists') : error;
  }
}

/** The client of this id, or null. */
export async function findClient(db: Db, client_id: string): Promise<Client | null> {
  if (!isText(client_id)) return null;
  return (await db<Client>('clients').where({ client_id }).first()) ?? null;
}

/** Whether `presented` is one of the client's live secrets; every one is compared, in constant time. */
export function verifyClientSecret(
  secrets: ClientSecret[],
  presented: string,
  at: Date = new Date(),
): boolean {
  let matches = false;
  for (const secret of secrets) {
    const isLive = secret.expires === null || new Date(secret.expires) > at;
    const isEqual = equalBytes(Buffer.from(digest(secret.salt + presented)), Buffer.from(secret.digest));
    matches = (isLive && isEqual) || matches;
  }
  return matches;
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

// RFC 7591 defaults suit third-party web clients; a first-party app logs people in with a password.
function withDefaults(given: ClientMetadata, firstParty: boolean): ClientMetadata {
  const redirects = given.redirect_uris ?? [];
  const grant_types =
    given.grant_types ??
    (firstParty && redirects.length === 0
      ? ['password', 'refresh_token']
      : ['authorization_code', 'refresh_token']);
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

function sealSecret(secret: string): ClientSecret {
  const salt = randomBytes(16).toString('base64url');
  return {
    id: newId(),
    salt,
    digest: digest(salt + secret),
    created: new Date().toISOString(),
    expires: null,
  };
}

function isOrigin(value: string): boolean {
  const url = URL.parse(value);
  return url !== null && url.origin === value && ['http:', 'https:'].includes(url.protocol);
}
