// Signed answers of userinfo (OpenID Connect Core 1.0, 5.3.2), which the engine makes.
import type { KoaContextWithOIDC } from 'oidc-provider';

/** Names the type without the charset that the engine adds: `application/jwt` has no parameters (RFC 7519, 10.3.1). */
export async function nameJwtType(ctx: KoaContextWithOIDC, next: () => Promise<unknown>): Promise<void> {
  await next();
  if (ctx.path === '/userinfo' && ctx.response.is('application/jwt'))
    ctx.set('Content-Type', 'application/jwt');
}
