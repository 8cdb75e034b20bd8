// The claims about the user in every access token of a session, whether the engine or src/token makes it.
import type { SessionWithUser } from '../sessions/find_session.ts';

/** The claims about a session's user and login (RFC 9068, 2.2), in addition to the standard ones. */
export function claimsOfUser(
  session: Pick<
    SessionWithUser,
    'token_payload' | 'created_at' | 'roles' | 'permissions' | 'tenant_id' | 'token_version'
  >,
): Record<string, unknown> {
  const { authTime } = session.token_payload as { authTime?: number };
  return {
    auth_time: authTime ?? Math.floor(session.created_at.getTime() / 1000),
    roles: session.roles,
    permissions: session.permissions,
    ...(session.tenant_id === null ? {} : { tid: session.tenant_id }),
    token_version: session.token_version,
  };
}
