// Reduces the metadata that a client requests to what this server offers (RFC 7591, 2 and 3.2.1): unknown or unsupported members
// are left out or replaced, and the response shows what was registered. Only malformed or dangerous metadata is refused.
import { AppError } from '../../lib/errors.ts';
import { exceedsJsonBounds } from '../../lib/json_bounds.ts';
import { metadataShape } from './client_metadata.ts';
import { isVouchedGrant } from './client_rules.ts';
import { isNativeUri } from './redirect_uris.ts';
import { requireForwarding, requireProfile, withProfileDefaults } from './security_profile.ts';

/** What this server offers to clients that no administrator vouches for. */
export interface Offer {
  /** Algorithms with which the server signs. */
  signingAlgs: readonly string[];
  /** Algorithms of client signatures that the server accepts. */
  clientAlgs: readonly string[];
  authMethods: readonly string[];
}

type RequestedMetadata = Readonly<Record<string, unknown>>;
type Suitable = Record<string, unknown>;

const offeredGrants = ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'];

/**
 * The metadata that can be registered. Refuses with `invalid_client_metadata` and a sentence that begins with the member's name;
 * the engine turns one that begins with `redirect_uris` into `invalid_redirect_uri`. {@link suitableScope} handles the scope.
 */
export function suitableMetadata(requested: RequestedMetadata, offer: Offer): Suitable {
  if (exceedsJsonBounds(requested)) throw unsuitable('the metadata is too large or too deeply nested');
  if (!isAbsent(requested.claims)) throw unsuitable('claims: only administrators name further claims');
  const given: Suitable = {};
  for (const name of Object.keys(metadataShape)) {
    // A null or empty member counts as absent, because some libraries send every member that they know.
    if (!isAbsent(requested[name])) given[name] = requested[name];
  }
  replaceAuthMethod(given, offer);
  const left = dropUnsupported(withProfileDefaults(given), offer);
  for (const [name, schema] of Object.entries(metadataShape)) {
    const read = schema.safeParse(left[name]);
    if (!read.success) throw unsuitable(`${name}: ${read.error.issues[0]?.message}`);
  }
  replaceGrants(left);
  replaceApplicationType(left);
  requireProfile(left);
  requireForwarding(left, offer.authMethods.includes('self_signed_tls_client_auth'));
  return left;
}

function unsuitable(reason: string): AppError {
  return new AppError('invalid_client_metadata', reason);
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null || value === '';
}

// For an unsupported method: a client with keys authenticates with them, a client without keys gets a secret.
function replaceAuthMethod(given: Suitable, { authMethods }: Offer): void {
  const method = given.token_endpoint_auth_method;
  if (typeof method !== 'string' || authMethods.includes(method)) return;
  if (given.jwks || given.jwks_uri) given.token_endpoint_auth_method = 'private_key_jwt';
  else delete given.token_endpoint_auth_method;
}

function dropUnsupported(given: Suitable, { signingAlgs, clientAlgs }: Offer): Suitable {
  const isKeyed = given.token_endpoint_auth_method === 'private_key_jwt';
  const offered: Record<string, readonly string[]> = {
    id_token_signed_response_alg: signingAlgs,
    introspection_signed_response_alg: signingAlgs,
    userinfo_signed_response_alg: signingAlgs,
    token_endpoint_auth_signing_alg: isKeyed ? clientAlgs : [],
    request_object_signing_alg: clientAlgs,
  };
  const isOffered = ([name, value]: [string, unknown]) =>
    typeof value !== 'string' || (offered[name]?.includes(value) ?? true);
  const left = Object.fromEntries(Object.entries(given).filter(isOffered));
  // RFC 7591 allows any text as a contact; the engine accepts only e-mail addresses.
  if (Array.isArray(left.contacts))
    left.contacts = left.contacts.filter((one) => /^[^@\s]+@[^@\s]+$/.test(one));
  return left;
}

/**
 * The grant types of a client that names none. RFC 7591, 2 has the code flow alone; clients that leave the member out expect refresh
 * tokens all the same, and the registration answers with what they get (3.2.1).
 */
export const grantsOfUnnamed = ['authorization_code', 'refresh_token'];

function replaceGrants(left: Suitable): void {
  const { grant_types, response_types, redirect_uris = [] } = left as Record<string, string[] | undefined>;
  const grants = grant_types?.filter((one) => offeredGrants.includes(one));
  if (grants?.length === 0) {
    const isRefused = grant_types?.some(isVouchedGrant);
    const reason = isRefused
      ? 'client_credentials and password are only for clients that an administrator created'
      : 'none of these is supported';
    throw unsuitable(`grant_types: ${reason}`);
  }
  left.grant_types = grants ?? grantsOfUnnamed;
  const usesCodes = grants?.includes('authorization_code') ?? true;
  if (response_types) left.response_types = response_types.filter((one) => one === 'code');
  else if (!usesCodes && redirect_uris.length === 0) left.response_types = [];
  if (response_types?.length && !(left.response_types as string[]).length) left.response_types = ['code'];
}

// RFC 8252, 7: a client with a loopback address or a private scheme is an app on a device, whatever else it registers.
function replaceApplicationType(left: Suitable): void {
  const { redirect_uris = [] } = left as { redirect_uris?: string[] };
  if (redirect_uris.some(isNativeUri)) left.application_type = 'native';
}

/**
 * The scope that can be registered: those requested scopes that are in `known`. Null, which sets no bound, when the client
 * requested no scope or none that exists.
 */
export function suitableScope(
  requested: unknown,
  known: ReadonlySet<string>,
  grants: string[],
): string | null {
  if (isAbsent(requested)) return null;
  if (typeof requested !== 'string' || requested.length > 4_096)
    throw unsuitable('scope: must be a string of scopes');
  const kept = new Set(requested.split(' ').filter((one) => known.has(one)));
  if (kept.size === 0) return null;
  // A client that may refresh may also request `offline_access`: libraries add this scope to those that they registered.
  if (grants.includes('refresh_token')) kept.add('offline_access');
  return [...kept].join(' ');
}
