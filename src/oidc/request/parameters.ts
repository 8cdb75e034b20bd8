// Bounds of what a request to the engine may ask for, judged where the engine has its parameters together and before it
// works on any of them.
import { errors } from 'oidc-provider';
import { exceedsJsonBounds } from '../../lib/json_bounds.ts';

/** Resource servers that one request may name; each is looked up. */
const maxResources = 20;

/**
 * Longest request object, and longest everything else, characters: what fits into the headers of an authorization request,
 * where a long state comes whole. These requests are kept until the user has answered.
 */
const maxLength = 16_384;
const kept = new Set(['authorization', 'pushed_authorization_request', 'device_authorization']);

/** Refuses parameters that ask for more work or more room than any honest request. `route` is the engine's word for it. */
export function requireModest(route: string, params: Record<string, unknown>): void {
  const { request, ...others } = params;
  if (Array.isArray(others.resource) && others.resource.length > maxResources)
    throw new errors.InvalidTarget(`at most ${maxResources} resources may be named`);
  if (typeof request === 'string') requireModestJwt(request);
  if (kept.has(route) && lengthOf(Object.values(others)) > maxLength)
    throw new errors.InvalidRequest('the parameters are too long');
}

// The engine copies a request object before it verifies who signed it, and copying is recursive.
function requireModestJwt(jwt: string): void {
  if (jwt.length > maxLength) throw new errors.InvalidRequestObject('the request object is too long');
  if (jwt.split('.', 2).some(isTooMuch))
    throw new errors.InvalidRequestObject('the request object holds too much, or is nested too deeply');
}

function isTooMuch(part: string): boolean {
  try {
    return exceedsJsonBounds(JSON.parse(Buffer.from(part, 'base64url').toString()));
  } catch {
    // No JSON, which the engine says better.
    return false;
  }
}

function lengthOf(values: unknown[]): number {
  return values.flat().reduce((sum: number, one) => sum + (typeof one === 'string' ? one.length : 0), 0);
}
