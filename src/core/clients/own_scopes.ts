// The scopes that belong to this server and to its API. A resource server may not have a scope of the same name.

/** The scopes of the server itself (OpenID Connect Core 1.0, 5.4); `roles` is ours. Every other scope belongs to a resource server. */
export const oidcScopes = ['openid', 'profile', 'email', 'offline_access', 'roles'];

/**
 * The finer rights of administration. Each is a value of a user's `permissions` and the name of a scope. `admin:read` reads everything;
 * each of the others changes its topic and reads it. The role `admin`, and the scope `admin`, contain them all.
 */
export const adminRights = ['admin:read', 'admin:users', 'admin:sessions', 'admin:config'] as const;

export type AdminRight = (typeof adminRights)[number];

/** The scopes of administration. A client has them only where its registered scope names them, and a token only where it asked for them. */
export const adminScopes: readonly string[] = ['admin', ...adminRights];

/** The scopes of our own API: `account` is for a user's own sessions, the others are for administrators. */
export const ownScopes = ['account', ...adminScopes];
