// Bounds the parameters of a request to the engine, when the engine has read all of them and before it uses any.
import { errors } from 'oidc-provider';
import { exceedsJsonBounds } from '../../lib/json_bounds.ts';
import { maxResources } from '../../token/grant.ts';

/**
 * The longest request object, and the longest sum of the other parameters, characters: what fits into the headers of an
 * authorization request, a long `state` included. Requests of these routes are stored until the user has answered.
 */
const maxLength = 16_384;
const kept = new Set(['authorization', 'pushed_authorization_request', 'device_authorization']);

/** Refuses parameters that cost more work or storage than any honest request. `route` is the engine's name of the endpoint. */
export function requireModest(route: string, params: Record<string, unknown>): void {
  const { request, ...others } = params;
  if (Array.isArray(others.resource) && others.resource.length > maxResources)
    throw new errors.InvalidTarget(`A request can name at most ${maxResources} resources.`);
  if (typeof request === 'string') requireModestJwt(request);
  if (kept.has(route) && lengthOf(Object.values(others)) > maxLength)
    throw new errors.InvalidRequest('The parameters are too long.');
}

// The engine copies a request object, recursively, before it verifies the signature.
function requireModestJwt(jwt: string): void {
  if (jwt.length > maxLength) throw new errors.InvalidRequestObject('The request object is too long.');
  if (jwt.split('.', 2).some(isTooMuch))
    throw new errors.InvalidRequestObject('The request object has too many values or is nested too deeply.');
}

function isTooMuch(part: string): boolean {
  try {
    return exceedsJsonBounds(JSON.parse(Buffer.from(part, 'base64url').toString()));
  } catch {
    // Not JSON: the engine refuses it with a better description.
    return false;
  }
}

function lengthOf(values: unknown[]): number {
  return values.flat().reduce((sum: number, one) => sum + (typeof one === 'string' ? one.length : 0), 0);
}
