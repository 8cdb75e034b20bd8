// What a client needs to know to use our own API (OAuth 2.0 Protected Resource Metadata, RFC 9728).
import type { Middleware } from 'koa';
import type { Config } from '../../config/index.ts';

/** Where the metadata of our API is found, from its identifier (RFC 9728, 3). */
export function resourceMetadataUrl({ resource }: Config): string {
  const { origin, pathname } = new URL(resource);
  return `${origin}/.well-known/oauth-protected-resource${pathname === '/' ? '' : pathname}`;
}

/** Serves it; to everybody, as there is nothing secret in it. */
export function serveResourceMetadata(config: Config): Middleware {
  const { pathname } = new URL(resourceMetadataUrl(config));
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
