// The security profile of a client. `fapi2` is the FAPI 2.0 Security Profile: this file says what it demands of the metadata of a
// client, of the JWTs that the client makes, and of its refresh tokens. Code that enforces a part of the profile asks here.
import { AppError } from '../../lib/errors.ts';
import type { ClientMetadata } from './client_metadata.ts';
import { findUriProblem } from './redirect_uris.ts';

/** Whether the client follows the FAPI 2.0 Security Profile. */
export function isFapi2({ security_profile }: ClientMetadata): boolean {
  return security_profile === 'fapi2';
}

/** The algorithms of every JWT by and for a client of the profile (5.4.1). `EdDSA` and `Ed25519` are two names of one. */
export const fapi2Algs: readonly string[] = ['PS256', 'ES256', 'EdDSA', 'Ed25519'];

const authMethods: readonly (string | undefined)[] = ['private_key_jwt', 'self_signed_tls_client_auth'];

const fapi2Grants = ['authorization_code', 'refresh_token', 'client_credentials'];

/**
 * The members whose value the profile fixes (5.3.2.1): client authentication by a key, pushed requests, PKCE, and tokens that are
 * bound to a key, or to a certificate where the client asks for that.
 */
function fixedMembers(metadata: ClientMetadata) {
  const { token_endpoint_auth_method: method } = metadata;
  return {
    token_endpoint_auth_method: authMethods.includes(method) ? method : 'private_key_jwt',
    require_pushed_authorization_requests: true,
    require_pkce: true,
    dpop_bound_access_tokens: metadata.tls_client_certificate_bound_access_tokens !== true,
  } as const;
}

/** The metadata with the members that the profile fixes, where they are absent. Other clients keep what they have. */
export function withProfileDefaults(metadata: ClientMetadata): ClientMetadata {
  return isFapi2(metadata) ? { ...fixedMembers(metadata), ...metadata } : metadata;
}

/**
 * The metadata for a request: whatever the row says, the members that the profile fixes have its values. A row can
 * contradict the profile when a node of an earlier version, which does not know it, changed the client.
 */
export function enforceProfile(metadata: ClientMetadata): ClientMetadata {
  return isFapi2(metadata) ? { ...metadata, ...fixedMembers(metadata) } : metadata;
}

/** The client as every request sees it, see {@link enforceProfile}. */
export function underProfile<Row extends { metadata: ClientMetadata }>(client: Row): Row {
  return isFapi2(client.metadata) ? { ...client, metadata: enforceProfile(client.metadata) } : client;
}

/**
 * Seconds in which the predecessor of the newest refresh token of the profile is answered again: longer than any session lives. A
 * client must not lose its session because an answer was lost (5.3.2.1). A thief of that token gains nothing, because it is good
 * only together with the key or the certificate by which its client authenticates.
 */
export const fapi2RetryWindow = 315_360_000;

/** The longest retry window that a row can have, seconds. Nodes of an earlier version, which do not know the profile, use it. */
const longestStoredWindow = 86_400;

/** The columns that the profile fixes, or gives back when the client leaves it. Refuses columns that contradict it. */
export function profileColumns(
  metadata: ClientMetadata,
  given: Record<string, unknown>,
  before: ClientMetadata = {},
): Record<string, unknown> {
  const { refresh_token_retry_window: window = null, rotation_profile } = given;
  if (!isFapi2(metadata))
    return { ...(isFapi2(before) ? { refresh_token_retry_window: null } : {}), ...given };
  if (window !== null && window !== longestStoredWindow)
    throw contradicts(
      'refresh_token_retry_window',
      'answers a retry for as long as the session lives; leave it out',
    );
  if (rotation_profile === 'strict')
    throw contradicts('rotation_profile', 'answers a retry, and strict answers none');
  return { ...given, refresh_token_retry_window: longestStoredWindow };
}

/** Refuses tokens bound to certificates where no proxy forwards any: every request of the client would be refused. */
export function requireForwarding(metadata: ClientMetadata, certificatesArrive: boolean): void {
  if (certificatesArrive || !isFapi2(metadata) || !metadata.tls_client_certificate_bound_access_tokens)
    return;
  throw contradicts(
    'tls_client_certificate_bound_access_tokens',
    'needs the setting MTLS_CERTIFICATE_HEADER, which this server does not have',
  );
}

/** The last barrier before an access token is made: one of the profile that is bound to nothing is refused with `invalid_grant`. */
export function requireSenderConstrained(metadata: ClientMetadata, isBound: boolean): void {
  if (isBound || !isFapi2(metadata)) return;
  const description = 'The tokens of this client must be bound to a DPoP key or a client certificate.';
  throw new AppError('invalid_grant', description, { isDecided: true });
}

/** Refuses with `invalid_client_metadata` metadata that contradict the client's own profile. */
export function requireProfile(metadata: ClientMetadata): void {
  if (!isFapi2(metadata)) return;
  for (const [name, value] of Object.entries(fixedMembers(metadata))) {
    const given = metadata[name as keyof ClientMetadata];
    if (given !== undefined && given !== value) throw contradicts(name, needed(name, value));
  }
  for (const name of algMembers) {
    const alg = metadata[name];
    if (alg !== undefined && !fapi2Algs.includes(alg))
      throw contradicts(name, 'allows PS256, ES256 and EdDSA only');
  }
  const grant = metadata.grant_types?.find((one) => !fapi2Grants.includes(one));
  if (grant !== undefined) throw contradicts('grant_types', `has no ${grant}`);
  if (metadata.redirect_uris?.some((uri) => findUriProblem(uri) !== null))
    throw contradicts('redirect_uris', 'needs https, except for loopback addresses');
}

const algMembers = [
  'token_endpoint_auth_signing_alg',
  'request_object_signing_alg',
  'id_token_signed_response_alg',
  'introspection_signed_response_alg',
  'userinfo_signed_response_alg',
] as const;

function needed(name: string, value: unknown): string {
  if (name === 'token_endpoint_auth_method') return `needs ${authMethods.join(' or ')}`;
  if (name !== 'dpop_bound_access_tokens') return `needs ${value}`;
  return 'needs tokens bound to one thing: a DPoP key (true), or the certificate that tls_client_certificate_bound_access_tokens demands (false or absent)';
}

function contradicts(name: string, reason: string): AppError {
  return new AppError('invalid_client_metadata', `${name}: security_profile fapi2 ${reason}`);
}
