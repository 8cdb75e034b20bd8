// The Content-Security-Policy of our pages: no scripts, no framing, and forms lead only where the caller allows.
import type { Brand } from './brand.ts';

/**
 * The policy for one page. It allows no script and no inline style, so that even markup that got past the escaping would
 * be harmless. Chromium also applies `form-action` to the redirects after a form (CSP 3, section 6.4.1), so a page whose form
 * ends at a client's redirect URI names that URI in `formTargets`. `imageUrls` are pictures besides the brand's logo.
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

// Returns only an origin or a scheme, neither of which can end a directive or begin another. Source expressions have no
// syntax for IPv6 addresses, so for those only the scheme is returned.
function sourceOf(value: string, allowed: RegExp): string | null {
  const url = URL.parse(value);
  if (!url || !allowed.test(url.protocol)) return null;
  const isWeb = url.protocol === 'http:' || url.protocol === 'https:';
  return isWeb && /^[a-z0-9.-]+$/.test(url.hostname) ? url.origin : url.protocol;
}
