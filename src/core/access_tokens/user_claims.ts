// The claims about the user in every access token of a session, whether the engine or src/token makes it.
import type { Client } from '../clients/clients.ts';
import { readNamedClaims } from '../clients/named_claims.ts';
import type { ResourceServer } from '../clients/resource_servers.ts';
import type { SessionWithUser } from '../sessions/find_session.ts';
import { grantOf } from '../sessions/token_session.ts';
import { heldOidc } from './held_scopes.ts';

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

/**
 * The claims of the profile that the client and the resource server of the token name, the server's last. A third-party client gets them
 * only while its user's consent has `profile`: they are data of the profile, whatever they are called.
 */
export function namedClaimsOf(
  client: Client,
  server: Pick<ResourceServer, 'claims'> | null,
  session: Pick<SessionWithUser, 'claims' | 'grant_payload'>,
): Record<string, unknown> {
  if (!session.claims || !(client.claims || server?.claims)) return {};
  if (!client.first_party && !heldOidc(client, grantOf(session)).includes('profile')) return {};
  return Object.fromEntries([
    ...readNamedClaims(client.claims, session.claims),
    ...readNamedClaims(server?.claims, session.claims),
  ]);
}
