// What a client says of itself, made suitable (RFC 7591, 2 and 3.2.1): what we do not know or offer is left out or replaced, and
// the answer says what was registered. Refused is only what is malformed, or would be dangerous.
import { AppError } from '../../lib/errors.ts';
import { exceedsJsonBounds } from '../../lib/json_bounds.ts';
import { metadataShape } from './client_metadata.ts';
import { isVouchedGrant } from './client_rules.ts';
import { isNativeUri } from './redirect_uris.ts';

/** What this server offers to clients that nobody vouches for. */
export interface Offer {
  /** Algorithms by which the server signs now. */
  signingAlgs: readonly string[];
  /** Algorithms of signatures that it takes. */
  clientAlgs: readonly string[];
  authMethods: readonly string[];
}

type RequestedMetadata = Readonly<Record<string, unknown>>;
type Suitable = Record<string, unknown>;

const offeredGrants = ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'];

/**
 * The metadata that can be registered. Refuses with `invalid_client_metadata`, in words that begin with the member; for the
 * engine, those that begin with `redirect_uris` are `invalid_redirect_uri`. The scope is for {@link suitableScope}.
 */
export function suitableMetadata(requested: RequestedMetadata, offer: Offer): Suitable {
  if (exceedsJsonBounds(requested)) throw unsuitable('the metadata are too much, or nested too deeply');
  const given: Suitable = {};
  for (const name of Object.keys(metadataShape)) {
    // A member that is null or empty counts as absent, as some libraries write all that they know.
    if (!isAbsent(requested[name])) given[name] = requested[name];
  }
  replaceAuthMethod(given, offer);
  const left = dropUnsupported(given, offer);
  for (const [name, schema] of Object.entries(metadataShape)) {
    const read = schema.safeParse(left[name]);
    if (!read.success) throw unsuitable(`${name}: ${read.error.issues[0]?.message}`);
  }
  replaceGrants(left);
  replaceApplicationType(left);
  return left;
}

function unsuitable(reason: string): AppError {
  return new AppError('invalid_client_metadata', reason);
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null || value === '';
}

// A client with keys authenticates with them; one without gets a secret.
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
    token_endpoint_auth_signing_alg: isKeyed ? clientAlgs : [],
    request_object_signing_alg: clientAlgs,
  };
  const isOffered = ([name, value]: [string, unknown]) =>
    typeof value !== 'string' || (offered[name]?.includes(value) ?? true);
  const left = Object.fromEntries(Object.entries(given).filter(isOffered));
  // Elsewhere they may be any text; the engine takes addresses of e-mail alone.
  if (Array.isArray(left.contacts))
    left.contacts = left.contacts.filter((one) => /^[^@\s]+@[^@\s]+$/.test(one));
  return left;
}

// Without grant types the client uses codes (RFC 7591, 2), which need somewhere to be sent to.
function replaceGrants(left: Suitable): void {
  const { grant_types, response_types, redirect_uris = [] } = left as Record<string, string[] | undefined>;
  const grants = grant_types?.filter((one) => offeredGrants.includes(one));
  if (grants?.length === 0) {
    const isRefused = grant_types?.some(isVouchedGrant);
    const reason = isRefused
      ? 'client_credentials and password are for clients that an administrator created'
      : 'none of these is supported';
    throw unsuitable(`grant_types: ${reason}`);
  }
  if (grants) left.grant_types = grants;
  const usesCodes = grants?.includes('authorization_code') ?? true;
  if (response_types) left.response_types = response_types.filter((one) => one === 'code');
  else if (!usesCodes && redirect_uris.length === 0) left.response_types = [];
  if (response_types?.length && !(left.response_types as string[]).length) left.response_types = ['code'];
}

// RFC 8252, 7: loopback addresses and private schemes are for apps on a device, whatever else such an app registers.
function replaceApplicationType(left: Suitable): void {
  const { redirect_uris = [] } = left as { redirect_uris?: string[] };
  if (redirect_uris.some(isNativeUri)) left.application_type = 'native';
}

/**
 * The scope that can be registered: of what the client said the scopes that exist, for `known` and without those that are for
 * our own clients. Null, which bounds nothing, when the client said nothing or nothing that exists.
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
  // Whoever may refresh may also say so: libraries add this scope to those that they registered.
  if (grants.includes('refresh_token')) kept.add('offline_access');
  return [...kept].join(' ');
}
