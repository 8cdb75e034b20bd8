// Decides which sessions are plain, for the column `is_plain`. Only nodes of the previous version read it: their refresh of a plain
// session needs nothing but a signed access token. The column is written until the next release.

// Any other member may bind tokens to a key or add claims to them.
const plainMembers = new Set('gty scope resource authTime amr acr claims nonce sid'.split(' '));
const plainGrant = new Set(['openid', 'resources']);

/**
 * Whether a session with these payloads is plain: its tokens are bound to no key or certificate, are for one resource, and come
 * without an ID token. Decided once, because the payloads do not change.
 */
export function isPlain(
  token_payload: { scope?: string; resource?: unknown },
  grant_payload: object,
): boolean {
  const { scope, resource } = token_payload;
  // A session without scope is not plain, because the engine's answer then has no `scope` member.
  if (typeof resource !== 'string' || !scope || scope.split(' ').includes('openid')) return false;
  return hasOnly(token_payload, plainMembers) && hasOnly(grant_payload, plainGrant);
}

function hasOnly(payload: object, members: ReadonlySet<string>): boolean {
  return Object.keys(payload).every((name) => members.has(name));
}
