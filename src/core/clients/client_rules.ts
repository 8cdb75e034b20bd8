// Rules of client metadata beyond its schema: the defaults of absent members, and which grants a client may use.
import { AppError } from '../../lib/errors.ts';
import { json } from '../store/columns.ts';
import { columnShape } from './client_columns.ts';
import type { ClientMetadata } from './client_metadata.ts';
import { isFapi2, profileColumns, requireProfile, withProfileDefaults } from './security_profile.ts';

/** Whether the client authenticates with a secret. */
export function hasSecret(metadata: ClientMetadata): boolean {
  return ['client_secret_basic', 'client_secret_post'].includes(metadata.token_endpoint_auth_method ?? '');
}

const columnNames = new Set(Object.keys(columnShape));

/** Splits the description of a client into members that have a column of their own and metadata (RFC 7591). */
export function splitColumns(given: Record<string, unknown>): {
  metadata: ClientMetadata;
  columns: Record<string, unknown>;
} {
  const isColumn = ([name]: [string, unknown]) => columnNames.has(name);
  const entries = Object.entries(given);
  return {
    metadata: Object.fromEntries(entries.filter((entry) => !isColumn(entry))) as ClientMetadata,
    columns: Object.fromEntries(
      entries
        .filter(isColumn)
        .map(([name, value]) => [name, name === 'claims' && value !== null ? json(value) : value]),
    ),
  };
}

/**
 * The columns to write beside this metadata. Refuses with `invalid_client_metadata` members that contradict each other. `before` is
 * the metadata that a change replaces.
 */
export function consistentColumns(
  metadata: ClientMetadata,
  given: Record<string, unknown>,
  before?: ClientMetadata,
): Record<string, unknown> {
  requireConfidential(metadata);
  requireProfile(metadata);
  return profileColumns(metadata, given, before);
}

// The `client_id` of a public client alone would be enough to get a token by `client_credentials` (RFC 6749, 4.4).
function requireConfidential({ token_endpoint_auth_method, grant_types }: ClientMetadata): void {
  if (token_endpoint_auth_method !== 'none' || !grant_types?.includes('client_credentials')) return;
  throw new AppError('invalid_client_metadata', 'grant_types: a public client cannot use client_credentials');
}

// With `client_credentials` a client acts without a user; with `password` it sees the passwords of users.
const vouchedGrants = ['client_credentials', 'password'];

/** Whether only a client that an administrator vouches for may use this grant. */
export function isVouchedGrant(grant: string): boolean {
  return vouchedGrants.includes(grant);
}

/** Refuses these grants to clients that registered themselves or are described by a document. */
export function requireVouched({ grant_types }: ClientMetadata, registered_by: string): void {
  const refused = registered_by === 'admin' ? undefined : grant_types?.find(isVouchedGrant);
  if (refused === undefined) return;
  const reason = `${refused} is only for clients that an administrator vouches for; set registered_by to admin to vouch for this one`;
  throw new AppError('invalid_client_metadata', `grant_types: ${reason}`);
}

/** The members of `review` that are left after a change: one that an administrator writes again counts as confirmed. */
export function unconfirmed(review: string | null, given: object): string | null {
  const left = review?.split(' ').filter((word) => !(word in given)) ?? [];
  return left.join(' ') || null;
}

/** Drops the null members of a change, which then get their defaults. */
export function withoutNulls(metadata: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(metadata).filter(([, value]) => value !== null));
}

/** Fills in absent members. The defaults of RFC 7591 suit third-party web clients; ours suit machines and apps too. */
export function withDefaults(given: ClientMetadata, firstParty: boolean): ClientMetadata {
  const redirects = given.redirect_uris ?? [];
  const usesPasswords = firstParty && !isFapi2(given);
  const grant_types = given.grant_types ?? defaultGrantTypes(usesPasswords, redirects.length > 0);
  const usesCode = grant_types.includes('authorization_code');
  const profiled = withProfileDefaults(given);
  return {
    ...profiled,
    redirect_uris: redirects,
    grant_types,
    response_types: given.response_types ?? (usesCode ? ['code'] : []),
    token_endpoint_auth_method:
      profiled.token_endpoint_auth_method ??
      (given.jwks || given.jwks_uri ? 'private_key_jwt' : 'client_secret_basic'),
  };
}

// A client with redirect URIs uses the code flow. Without them, a first-party client logs users in with their passwords, and
// any other client is a machine.
function defaultGrantTypes(usesPasswords: boolean, redirects: boolean): string[] {
  if (redirects) return ['authorization_code', 'refresh_token'];
  return usesPasswords ? ['password', 'refresh_token'] : ['client_credentials'];
}
