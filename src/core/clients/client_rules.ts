// Rules of client metadata beyond its schema: the defaults of absent members, and the grants that a client may have.
import { AppError } from '../../lib/errors.ts';
import { type ClientMetadata, columnShape } from './client_metadata.ts';

/** Whether the client authenticates with a secret. */
export function hasSecret(metadata: ClientMetadata): boolean {
  return ['client_secret_basic', 'client_secret_post'].includes(metadata.token_endpoint_auth_method ?? '');
}

const columnNames = new Set(Object.keys(columnShape));

/** Splits the description of a client: some members have a column of their own, the others are metadata (RFC 7591). */
export function splitColumns(given: Record<string, unknown>): {
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

/** Refuses `client_credentials` for public clients: whoever knows the name of one would get what it may have (RFC 6749, 4.4). */
export function requireConfidential({ token_endpoint_auth_method, grant_types }: ClientMetadata): void {
  if (token_endpoint_auth_method !== 'none' || !grant_types?.includes('client_credentials')) return;
  throw new AppError('invalid_client_metadata', 'a public client may not use client_credentials');
}

// With the first a client acts without any user, with the second it sees their passwords.
const vouchedGrants = ['client_credentials', 'password'];

/** The grants that only a client may use for which an administrator vouches. */
export function isVouchedGrant(grant: string): boolean {
  return vouchedGrants.includes(grant);
}

/** Refuses grants that need an administrator's word to clients that registered themselves or come from a document. */
export function requireVouched({ grant_types }: ClientMetadata, registered_by: string): void {
  const refused = registered_by === 'admin' ? undefined : grant_types?.find(isVouchedGrant);
  if (refused === undefined) return;
  const reason = `${refused} is for clients that an administrator created, and nobody vouches for this one`;
  throw new AppError('invalid_client_metadata', `grant_types: ${reason}`);
}

/** A change's nulls go back to the defaults. */
export function withoutNulls(metadata: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(metadata).filter(([, value]) => value !== null));
}

/** What was not said follows from what was: RFC 7591's defaults suit third-party web clients, ours also machines and apps. */
export function withDefaults(given: ClientMetadata, firstParty: boolean): ClientMetadata {
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
