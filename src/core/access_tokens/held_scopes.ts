// The server's own scopes that a session holds: they decide which claims about its user its client may read.
import type { GrantPayload } from '../sessions/token_session.ts';
import { type BoundClient, grantableOidc, splitScope } from './grantable_scopes.ts';

/** The server's own scopes that were granted at the login and that the client may still have. */
export function heldOidc(client: BoundClient, { openid }: GrantPayload): string[] {
  const possible = grantableOidc(client);
  return splitScope(openid?.scope).filter((scope) => possible.includes(scope));
}

/** What an access token says about its own scopes. */
interface ScopedToken {
  aud?: string | undefined;
  scope?: string | undefined;
  userinfo_scope?: string | undefined;
}

/**
 * The scopes by which userinfo answers, space-delimited. A token without audience, or for our own API, names them. Any other one names
 * the scopes of its resource server (RFC 9068, 2.2.3), and is as good as its session; `userinfo_scope` is in a token whose refresh
 * asked for less.
 */
export function userinfoScope(
  { aud, scope, userinfo_scope }: ScopedToken,
  held: readonly string[],
  own_resource: string,
): string {
  const isOwn = aud === undefined || aud === own_resource;
  const named = isOwn ? (scope ?? '') : userinfo_scope;
  const limits = named === undefined ? null : splitScope(named);
  return held.filter((one) => limits === null || limits.includes(one)).join(' ');
}
