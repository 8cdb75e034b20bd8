// What a client means by the parameters of its request to the engine, as the direct entrance reads them too (src/token): the client that
// an empty password names, values with space around them, and a resource in another spelling than the registered one.
import type { Context } from 'koa';
import { errors } from 'oidc-provider';
import type { Registered } from '../../core/clients/client_cache.ts';
import { registeredIdentifier } from '../../core/clients/resource_identifiers.ts';
import type { Deps } from '../../core/deps.ts';
import { authorizationOf } from '../../token/client_authorization.ts';
import { tidyValue } from '../../token/form_values.ts';

/** The endpoints whose forms the direct entrance reads as well. */
const forms = new Set(['token', 'introspection', 'revocation']);
const requests = new Set([
  'authorization',
  'pushed_authorization_request',
  'device_authorization',
  'end_session',
]);

/** Changes the parameters into what the client means by them. `route` is the engine's name of the endpoint. */
export function readAsMeant(
  { config }: Pick<Deps, 'config'>,
  ctx: Context,
  route: string,
  params: Record<string, unknown>,
): void {
  if (forms.has(route) || requests.has(route)) tidy(params, requests.has(route));
  nameClient(ctx, params);
  const { servers } = ctx.state as { servers?: Registered['servers'] };
  const { resource } = params;
  if (resource === undefined || !servers) return;
  const registered = (one: unknown) =>
    typeof one === 'string' ? registeredIdentifier(servers, config.resource, one.trim()) : one;
  params.resource = Array.isArray(resource) ? resource.map(registered) : registered(resource);
}

// A parameter without a value counts as omitted (RFC 6749, 3.1); `twice` says that this also holds for one of two values of a parameter.
function tidy(params: Record<string, unknown>, twice: boolean): void {
  for (const [name, value] of Object.entries(params)) {
    const given = twice && Array.isArray(value) ? value.filter((one) => one !== '') : value;
    const read = Array.isArray(given) && given.length < 2 ? given[0] : given;
    params[name] = typeof read === 'string' ? tidyValue(name, read) || undefined : read;
  }
}

// Only the endpoints at which clients authenticate read the header.
function nameClient(ctx: Context, params: Record<string, unknown>): void {
  const { namedClient } = authorizationOf(ctx);
  if (namedClient === undefined) return;
  params.client_id ??= namedClient;
  if (params.client_id !== namedClient) throw new errors.InvalidRequest('client_id mismatch');
}
