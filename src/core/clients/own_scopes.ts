// The scopes that belong to this server and to its API. A resource server may not have a scope of the same name.

/** The scopes of the server itself (OpenID Connect Core 1.0, 5.4); `roles` is ours. Every other scope belongs to a resource server. */
export const oidcScopes = ['openid', 'profile', 'email', 'offline_access', 'roles'];

/** The scopes of our own API: `account` is for a user's own sessions, `admin` for administrators. */
export const ownScopes = ['account', 'admin'];
