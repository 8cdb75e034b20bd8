// The Content-Security-Policy of our pages: nothing runs, nothing is framed, forms go where the caller says.
import type { Brand } from './brand.ts';

/**
 * The policy for one page. No script and no inline style, so that even markup which got past the escaping could do
 * nothing. Chromium applies `form-action` to the redirects that follow a form too (CSP 3, section 6.4.1), so a page whose
 * form ends at a client's redirect URI names that URI in `formTargets`. `imageUrls` are pictures that are not the brand's.
 */
export function contentSecurityPolicy(
  brand: Brand,
  formTargets: string[] = [],
  imageUrls: string[] = [],
): string {
  const images = [brand.logoUrl ?? '', ...imageUrls].map((url) => sourceOf(url, /^(https?|data):$/));
  const targets = formTargets.map((url) =>
    sourceOf(url, /^(?!(javascript|vbscript|data|blob|filesystem|about):)/),
  );
  return [
    "default-src 'none'",
    "style-src 'self'",
    list('img-src', images),
    list('form-action', targets),
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join('; ');
}

function list(directive: string, sources: (string | null)[]): string {
  const known = sources.filter((source) => source !== null);
  return [directive, ...new Set(["'self'", ...known])].join(' ');
}

// Only what cannot end a directive or begin another gets in: an origin, or a scheme. Source expressions have no form
// for IPv6 addresses, so those are named by their scheme.
function sourceOf(value: string, allowed: RegExp): string | null {
  const url = URL.parse(value);
  if (!url || !allowed.test(url.protocol)) return null;
  const isWeb = url.protocol === 'http:' || url.protocol === 'https:';
  return isWeb && /^[a-z0-9.-]+$/.test(url.hostname) ? url.origin : url.protocol;
}
