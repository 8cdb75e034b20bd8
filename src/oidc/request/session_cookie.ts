// The cookie of the browser session, set where the engine does not set it itself.
import type { Context } from 'koa';
import type { Provider } from 'oidc-provider';

type Cookies = Pick<Context, 'cookies' | 'secure'>;

/** Sets the cookie of a browser session; null takes it away. */
export function setSessionCookie(
  provider: Provider,
  ctx: Cookies,
  value: string | null,
  expires?: Date,
): void {
  const options = {
    httpOnly: true,
    path: new URL(provider.issuer).pathname,
    sameSite: 'lax' as const,
    secure: ctx.secure,
    ...(expires ? { expires } : {}),
  };
  ctx.cookies.secure = ctx.secure;
  ctx.cookies.set(provider.cookieName('session'), value, options);
}
