// The Content-Security-Policy of our pages: no scripts, no framing, and forms lead only to ourselves or to the client of the request.
import type { Brand } from './brand.ts';

export interface PolicyOptions {
  /** Whether a form of the page ends at a client. */
  leadsToClient?: boolean;
  /** Pictures besides the brand's logo. */
  imageUrls?: string[];
}

/**
 * The policy for one page. It allows no script and no inline style, so that even markup that got past the escaping would
 * be harmless. Chromium applies `form-action` to all redirects after a form (CSP 3, section 6.4.1), also to those behind the
 * client's redirect URI, which the server cannot know: a page whose form ends at a client has no such directive, as otherwise the user
 * would stay on our page while the client has the code.
 */
export function contentSecurityPolicy(brand: Brand, options: PolicyOptions = {}): string {
  const { leadsToClient = false, imageUrls = [] } = options;
  const images = [brand.logoUrl ?? '', ...imageUrls].flatMap((url) => sourceOf(url) ?? []);
  return [
    "default-src 'none'",
    "style-src 'self'",
    ["img-src 'self'", ...new Set(images)].join(' '),
    ...(leadsToClient ? [] : ["form-action 'self'"]),
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join('; ');
}

// Returns only an origin or a scheme, neither of which can end a directive or begin another. Source expressions have no
// syntax for IPv6 addresses, so for those only the scheme is returned.
function sourceOf(value: string): string | null {
  const url = URL.parse(value);
  if (!url || !/^(https?|data):$/.test(url.protocol)) return null;
  const isWeb = url.protocol !== 'data:';
  return isWeb && /^[a-z0-9.-]+$/.test(url.hostname) ? url.origin : url.protocol;
}
