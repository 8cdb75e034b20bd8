// What a client needs to know to use our own API (OAuth 2.0 Protected Resource Metadata, RFC 9728).
import type { Middleware } from 'koa';
import type { Config } from '../../../config/index.ts';

/**
 * Where the metadata of our API is found, from its identifier (RFC 9728, 3); null for one that is no http(s) URL, such as
 * `urn:example:api`: it may be an audience (RFC 8707, 2), but leads to no document.
 */
export function resourceMetadataUrl({ resource }: Config): string | null {
  const { protocol, origin, pathname, search } = new URL(resource);
  if (protocol !== 'https:' && protocol !== 'http:') return null;
  return `${origin}/.well-known/oauth-protected-resource${pathname === '/' ? '' : pathname}${search}`;
}

/** Serves it; to everybody, as there is nothing secret in it. */
export function serveResourceMetadata(config: Config): Middleware {
  const url = resourceMetadataUrl(config);
  if (url === null) return async (_ctx, next) => await next();
  const { pathname } = new URL(url);
  const document = {
    resource: config.resource,
    authorization_servers: [config.issuer],
    jwks_uri: `${config.issuer}/jwks`,
    scopes_supported: ['account', 'admin'],
    bearer_methods_supported: ['header'],
    dpop_signing_alg_values_supported: ['ES256', 'EdDSA', 'Ed25519', 'RS256', 'PS256'],
    resource_documentation: `${config.issuer}/api/openapi.json`,
  };
  return async (ctx, next) => {
    if (ctx.path !== pathname || !['GET', 'HEAD'].includes(ctx.method)) return await next();
    ctx.set('Access-Control-Allow-Origin', '*');
    ctx.set('Cache-Control', 'public, max-age=300');
    ctx.body = document;
  };
}
