// The metadata of our own API as a protected resource (OAuth 2.0 Protected Resource Metadata, RFC 9728).
import type { Middleware } from 'koa';
import type { Config } from '../../../config/index.ts';
import { ownScopes } from '../../core/clients/own_scopes.ts';
import { dpopAlgorithms } from './dpop.ts';

/**
 * The URL of the metadata, derived from the identifier of our API (RFC 9728, section 3); null if the identifier is not an http(s)
 * URL. One such as `urn:example:api` may be an audience (RFC 8707, section 2), but no document can be found by it.
 */
export function resourceMetadataUrl({ resource }: Config): string | null {
  const { protocol, origin, pathname, search } = new URL(resource);
  if (protocol !== 'https:' && protocol !== 'http:') return null;
  return `${origin}/.well-known/oauth-protected-resource${pathname === '/' ? '' : pathname}${search}`;
}

/** Serves the metadata, to every origin. */
export function serveResourceMetadata(config: Config): Middleware {
  const url = resourceMetadataUrl(config);
  if (url === null) return async (_ctx, next) => await next();
  const { pathname } = new URL(url);
  const document = {
    resource: config.resource,
    authorization_servers: [config.issuer],
    scopes_supported: ownScopes,
    bearer_methods_supported: ['header'],
    dpop_signing_alg_values_supported: dpopAlgorithms,
    resource_documentation: `${config.issuer}/api/openapi.json`,
  };
  return async (ctx, next) => {
    if (ctx.path !== pathname) return await next();
    if (!['GET', 'HEAD'].includes(ctx.method)) {
      ctx.set('Allow', 'GET, HEAD, OPTIONS');
      ctx.status = ctx.method === 'OPTIONS' ? 204 : 405;
      return;
    }
    ctx.set('Access-Control-Allow-Origin', '*');
    ctx.set('Cache-Control', 'public, max-age=300');
    ctx.body = document;
  };
}
