// Plain sessions: those whose refresh needs nothing but a signature.

// Anything else, known or not yet, binds or enriches tokens.
const plainMembers = new Set('gty scope resource authTime amr acr claims nonce sid'.split(' '));
const plainGrant = new Set(['openid', 'resources']);

/**
 * Whether a refresh of a session with these payloads is bound to nothing (no key, no certificate), is for one resource and
 * gets no ID token along. Decided once, because nothing of it changes.
 */
export function isPlain(
  token_payload: { scope?: string; resource?: unknown },
  grant_payload: object,
): boolean {
  const { scope, resource } = token_payload;
  // Without any scope the engine's answer has no such member.
  if (typeof resource !== 'string' || !scope || scope.split(' ').includes('openid')) return false;
  return hasOnly(token_payload, plainMembers) && hasOnly(grant_payload, plainGrant);
}

function hasOnly(payload: object, members: ReadonlySet<string>): boolean {
  return Object.keys(payload).every((name) => members.has(name));
}
