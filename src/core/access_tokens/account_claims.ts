// The claims about a user in ID tokens and at userinfo (OpenID Connect Core 1.0, 5.4).
import { profileMembers, type User } from '../users/users.ts';

/** The claims of each scope; a member with null is a claim that is requested by its own name. */
export const claimsOfScopes = {
  openid: ['sub'],
  auth_time: null,
  amr: null,
  sid: null,
  iss: null,
  profile: ['preferred_username', 'updated_at', ...profileMembers],
  email: ['email', 'email_verified'],
  roles: ['roles', 'groups'],
};

/** The columns of a user that claims are made of. */
export type ClaimedUser = Pick<
  User,
  'username' | 'email' | 'email_verified_at' | 'claims' | 'roles' | 'updated_at'
>;

/**
 * All claims about a user, of which scopes and requested claims select some. `groups` has the values of `roles`, under the name
 * that most relying parties look for.
 */
export function accountClaims(user: ClaimedUser) {
  const { username, claims, roles, updated_at } = user;
  const { app: _app, ...profile } = claims ?? {};
  return {
    ...profile,
    ...(username === null ? {} : { preferred_username: username }),
    updated_at: Math.floor(updated_at.getTime() / 1000),
    ...emailClaims(user),
    roles,
    groups: roles,
  };
}

/** The claims about the address of a user, none where the user has no address. */
export function emailClaims({ email, email_verified_at }: Pick<User, 'email' | 'email_verified_at'>): {
  email?: string;
  email_verified?: boolean;
} {
  return email ? { email, email_verified: email_verified_at !== null } : {};
}
