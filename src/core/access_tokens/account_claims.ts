// The claims about a user in ID tokens and at userinfo (OpenID Connect Core 1.0, 5.4).
import type { User } from '../users/users.ts';

/** The claims of each scope; a member with null is a claim that is requested by its own name. */
export const claimsOfScopes = {
  openid: ['sub'],
  auth_time: null,
  amr: null,
  sid: null,
  iss: null,
  profile: ['preferred_username'],
  email: ['email', 'email_verified'],
};

/** All claims about a user, of which scopes and requested claims select some. */
export function accountClaims({ username, email }: Pick<User, 'username' | 'email'>) {
  return {
    preferred_username: username,
    // No address has been verified: a client that identifies users by address must not rely on it.
    ...(email ? { email, email_verified: false } : {}),
  };
}
