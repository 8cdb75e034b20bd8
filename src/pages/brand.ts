// The look of a deployment: its name, logo and accent colour, and the stylesheet and icon made from them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { digest } from '../lib/crypto.ts';
import { escapeHtml, monogram } from './text.ts';
import { colorsOf, themeCss } from './theme.ts';

export interface Brand {
  name: string;
  /** An http(s) or `data:` URL of a roughly square picture. */
  logoUrl?: string;
  /** A CSS hex colour, `#rgb` or `#rrggbb`. */
  accent?: string;
  /** The path of the issuer, such as `/auth`, if it has one: the prefix of our paths in a browser. */
  basePath?: string;
}

/** A file that pages load. Its path contains a hash of its content, so that browsers may cache it for ever. */
export interface Asset {
  path: string;
  body: string;
  type: string;
}

/** The accent colour of a deployment that has not chosen one. */
export const defaultAccent = '#1f6b57';

const parts = ['base', 'layout', 'forms', 'notices', 'lists', 'account', 'print'];
const css = parts.map((name) => readFileSync(join(import.meta.dirname, 'styles', `${name}.css`), 'utf8'));
const assetCache = new Map<string, Asset>();

/** The stylesheet of all pages, in the colours of the brand. */
export function stylesheet(brand: Brand): Asset {
  const accent = brand.accent ?? defaultAccent;
  return cached(`css ${accent}`, () =>
    asset('css', 'text/css; charset=utf-8', themeCss(accent) + css.join('\n')),
  );
}

/** The icon in the browser's tab: the first letter of the brand's name on its accent colour. */
export function favicon(brand: Brand): Asset {
  const accent = brand.accent ?? defaultAccent;
  const letter = monogram(brand.name);
  return cached(`icon ${accent} ${letter}`, () =>
    asset('svg', 'image/svg+xml; charset=utf-8', drawIcon(letter, accent)),
  );
}

/** All files that pages of this brand load from this server. */
export function assets(brand: Brand): Asset[] {
  return [stylesheet(brand), favicon(brand)];
}

function drawIcon(letter: string, accent: string): string {
  const { light } = colorsOf(accent);
  const font = `text-anchor="middle" font-family="system-ui,sans-serif" font-weight="600" font-size="18"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
<rect width="32" height="32" rx="8" fill="${light.accent}"/>
<text x="16" y="22.5" ${font} fill="${light['accent-on']}">${escapeHtml(letter)}</text>
</svg>
`;
}

function asset(extension: string, type: string, body: string): Asset {
  return { path: `/assets/kindred-${digest(body).slice(0, 16)}.${extension}`, body, type };
}

// The cache stays small, because brands come from the settings only.
function cached(key: string, make: () => Asset): Asset {
  const asset = assetCache.get(key) ?? make();
  assetCache.set(key, asset);
  return asset;
}
