// What the pages of mailed links share: their headers, the page of a link that does not work any more, and the cookie that holds the
// handle of a request for a mail. A GET or HEAD of a link changes nothing, because scanners of mail open every link.
import type { Context } from 'koa';
import type { Provider } from 'oidc-provider';
import type { Deps } from '../../core/deps.ts';
import { isLinkToken } from '../../lib/link_paths.ts';
import type { Brand } from '../../pages/brand.ts';
import { type DeadLinkPage, renderDeadLink } from '../../pages/dead_link.ts';
import { cookieName } from './cookies.ts';
import { brandOf, publicPath, sendPage } from './page_response.ts';
import { isFinished } from './repeated_forms.ts';

/**
 * The look of a page of a link: without a logo of another site, because a page whose URL holds a secret loads nothing from elsewhere.
 */
export function linkBrandOf(deps: Deps): Brand {
  const { logoUrl, ...brand } = brandOf(deps);
  const isOwn = logoUrl !== undefined && URL.parse(logoUrl)?.protocol === 'data:';
  return isOwn ? { ...brand, logoUrl } : brand;
}

/** Sends a page of a link: its URL goes nowhere in a `Referer`. Render it with {@link linkBrandOf} and `isOfLink`. */
export function sendLinkPage(deps: Deps, ctx: Context, html: string, status = 200): void {
  ctx.set('Referrer-Policy', 'no-referrer');
  sendPage(deps, ctx, html, { status });
}

/** Sends the page of a link that does not work: 404 for an unknown one, 410 for one that was used or has expired. */
export function sendDeadLink(deps: Deps, ctx: Context, page: DeadLinkPage): void {
  const status = page.state === 'unknown' ? 404 : 410;
  sendLinkPage(deps, ctx, renderDeadLink(linkBrandOf(deps), page), status);
}

/** The secret part of the link in the path of this request, or null when it has another form. */
export function linkTokenOf(ctx: Context): string | null {
  const { token } = ctx.params as { token?: unknown };
  return typeof token === 'string' && isLinkToken(token) ? token : null;
}

/** What a browser remembers of its request for a mail. */
export interface MailHandle {
  /** The handle without which a code is worth nothing: `recovery_id`, `sign_up_id`. */
  handle: string;
  /** The `uid` of the authorization request in whose middle it began, or null. */
  request: string | null;
}

const handleNames = { recovery: 'kindred_recovery', sign_up: 'kindred_sign_up' } as const;

/** Seconds for which a browser remembers its request. */
const handleTtl = 3_600;

/** Keeps the handle in this browser. */
export function setMailHandle(
  { config }: Pick<Deps, 'config'>,
  ctx: Context,
  name: keyof typeof handleNames,
  kept: MailHandle | null,
): void {
  const options = {
    httpOnly: true,
    sameSite: 'lax',
    path: config.issuerPath || '/',
    maxAge: handleTtl * 1000,
    signed: false,
  } as const;
  const value = kept ? [kept.handle, kept.request ?? ''].join('.') : null;
  ctx.cookies.set(cookieName(config, handleNames[name]), value, options);
}

/** The handle that this browser keeps, or null. */
export function readMailHandle(
  { config }: Pick<Deps, 'config'>,
  ctx: Context,
  name: keyof typeof handleNames,
): MailHandle | null {
  const value = ctx.cookies.get(cookieName(config, handleNames[name]), { signed: false }) ?? '';
  const [handle = '', request = ''] = value.split('.');
  return isLinkToken(handle) ? { handle, request: requestUid(request) } : null;
}

/** The `uid` of an authorization request that a form or link names, or null when it has another form. */
export function requestUid(value: unknown): string | null {
  return typeof value === 'string' && /^[\w-]{10,64}$/.test(value) ? value : null;
}

/** The local path at which a person goes on: the login of the authorization request, while it is alive, else the account page. */
export async function loginPath(deps: Deps, provider: Provider, request: string | null): Promise<string> {
  const interaction = request === null ? undefined : await provider.Interaction.find(request);
  return publicPath(
    deps,
    interaction && !isFinished(interaction) ? `/interaction/${interaction.uid}` : '/account',
  );
}
