// The columns of a session and its user from which tokens are made, and what the stored payloads hold.
import type { Columns } from '../store/columns.ts';
import type { User } from '../users/users.ts';
import type { Session } from './sessions.ts';

type SessionPart = Pick<
  Session,
  | 'id'
  | 'user_id'
  | 'salt'
  | 'grant_payload'
  | 'token_payload'
  | 'idle_ttl'
  | 'created_at'
  | 'absolute_expires_at'
>;

/** A session with its user, as far as tokens are made from them; `updated_at` is the user's. */
export type TokenSession = SessionPart &
  Pick<
    User,
    | 'username'
    | 'email'
    | 'email_verified_at'
    | 'claims'
    | 'roles'
    | 'permissions'
    | 'tenant_id'
    | 'token_version'
    | 'updated_at'
  >;

export const tokenSessionColumns = {
  grant_payload: 'json',
  token_payload: 'json',
  created_at: 'time',
  absolute_expires_at: 'time',
  email_verified_at: 'time',
  claims: 'json',
  roles: 'json',
  permissions: 'json',
  updated_at: 'time',
} as const satisfies Columns<TokenSession>;

/** The columns of {@link TokenSession} as SQL; `s` and `u` are the aliases of session and user. */
export const tokenSessionSql = `s.id, s.user_id, s.salt, s.grant_payload, s.token_payload, s.idle_ttl, s.created_at, s.absolute_expires_at,
    u.username, u.email, u.email_verified_at, u.claims, u.roles, u.permissions, u.tenant_id, u.token_version, u.updated_at`;

/** What a login granted: the column `grant_payload`, in the form of the engine's Grant. */
export interface GrantPayload {
  openid?: { scope?: string; claims?: string[] };
  resources?: Record<string, string>;
}

/** What all refresh tokens of a session share: the column `token_payload`, with the engine's member names. */
export interface TokenPayload {
  /** The grant type of the login. */
  gty?: string;
  scope?: string;
  resource?: string | string[];
  authTime?: number;
  acr?: string;
  amr?: string[];
  /** The parameter `claims` of the login (OpenID Connect Core 1.0, 5.5). */
  claims?: { id_token?: Record<string, unknown> };
  nonce?: string;
  sid?: string;
  sessionUid?: string;
  expiresWithSession?: boolean;
  /** The key (RFC 9449) or certificate (RFC 8705) to which the refresh tokens of a public client are bound. */
  jkt?: string;
  'x5t#S256'?: string;
  /** Whether a confidential client has used DPoP at the login; it must go on doing so. */
  dpop?: boolean;
}

/** The granted scopes and claims of a session. */
export function grantOf({ grant_payload }: Pick<Session, 'grant_payload'>): GrantPayload {
  return grant_payload;
}

/** What the refresh tokens of a session share. */
export function payloadOf({ token_payload }: Pick<Session, 'token_payload'>): TokenPayload {
  return token_payload;
}
