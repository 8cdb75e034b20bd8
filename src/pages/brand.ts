// How a deployment looks: its name, logo and accent colour, and the files that pages load from us because of them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { digest } from '../lib/crypto.ts';
import { escapeHtml, monogram } from './text.ts';
import { colorsOf, themeCss } from './theme.ts';

export interface Brand {
  name: string;
  /** An http(s) or `data:` URL of a picture that is about as wide as high. */
  logoUrl?: string;
  /** A CSS hex colour, `#rgb` or `#rrggbb`. */
  accent?: string;
  /** The path of the issuer when it has one, such as `/auth`: what stands before our paths in a browser. */
  basePath?: string;
}

/** A file that pages load. Its path names its content, so it may be cached for ever. */
export interface Asset {
  path: string;
  body: string;
  type: string;
}

/** The accent of a deployment that has not chosen one. */
export const defaultAccent = '#1f6b57';

const parts = ['base', 'layout', 'forms', 'notices', 'lists', 'account', 'print'];
const css = parts.map((name) => readFileSync(join(import.meta.dirname, 'styles', `${name}.css`), 'utf8'));
const made = new Map<string, Asset>();

/** The one stylesheet of all pages, in the colours of the brand. */
export function stylesheet(brand: Brand): Asset {
  const accent = brand.accent ?? defaultAccent;
  return once(`css ${accent}`, () =>
    asset('css', 'text/css; charset=utf-8', themeCss(accent) + css.join('\n')),
  );
}

/** The picture in the browser's tab: the first letter of the brand's name on its accent. */
export function favicon(brand: Brand): Asset {
  const accent = brand.accent ?? defaultAccent;
  const letter = monogram(brand.name);
  return once(`icon ${accent} ${letter}`, () =>
    asset('svg', 'image/svg+xml; charset=utf-8', drawIcon(letter, accent)),
  );
}

/** Every file that pages of this brand load from us. */
export function assets(brand: Brand): Asset[] {
  return [stylesheet(brand), favicon(brand)];
}

function drawIcon(letter: string, accent: string): string {
  const { light } = colorsOf(accent);
  const look = `text-anchor="middle" font-family="system-ui,sans-serif" font-weight="600" font-size="18"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
<rect width="32" height="32" rx="8" fill="${light.accent}"/>
<text x="16" y="22.5" ${look} fill="${light['accent-on']}">${escapeHtml(letter)}</text>
</svg>
`;
}

function asset(extension: string, type: string, body: string): Asset {
  return { path: `/assets/kindred-${digest(body).slice(0, 16)}.${extension}`, body, type };
}

// Brands come from the settings, so there are few.
function once(key: string, make: () => Asset): Asset {
  const known = made.get(key) ?? make();
  made.set(key, known);
  return known;
}
