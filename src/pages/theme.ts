// The colours of the pages, light and dark, all derived from the deployment's accent colour. Any accent gives readable pages:
// text has a contrast of 4.5, the edges of controls of 3 (WCAG 2.2 AA).
import { contrast, readableOn, toHex, toOklch, withContrast } from './color.ts';

/** Custom properties of the stylesheet, without their leading dashes. */
export type Colors = Record<string, string>;

const light = {
  // The greys have a slight tint of the accent's hue, so that any accent matches them.
  greys: { page: 0.972, surface: 1, raised: 0.955, line: 0.9, field: 0.6, muted: 0.46, ink: 0.22 },
  soft: { l: 0.95, c: 0.03 },
  motif: { l: 0.95, c: 0.014 },
  direction: 'darker',
  fixed: {
    danger: '#a3261d',
    'danger-soft': '#fdf0ee',
    'danger-line': '#f0c4be',
    warn: '#7a4d00',
    'warn-soft': '#fdf4e0',
    'warn-line': '#ecd5a0',
    good: '#1c6636',
    'good-soft': '#ecf7ef',
    'good-line': '#bfe0c9',
  },
} as const;

const dark = {
  greys: { page: 0.175, surface: 0.215, raised: 0.26, line: 0.315, field: 0.58, muted: 0.73, ink: 0.94 },
  soft: { l: 0.29, c: 0.035 },
  motif: { l: 0.21, c: 0.016 },
  direction: 'lighter',
  fixed: {
    danger: '#ffb3aa',
    'danger-soft': '#3a1d1a',
    'danger-line': '#6b332d',
    warn: '#f3cf85',
    'warn-soft': '#332711',
    'warn-line': '#5f4a20',
    good: '#9bdcb0',
    'good-soft': '#17301f',
    'good-line': '#2c5a3b',
  },
} as const;

/** Every colour of the light and of the dark pages for an accent (a hex colour). */
export function colorsOf(accent: string): { light: Colors; dark: Colors } {
  const known = cache.get(accent) ?? { light: colors(accent, light), dark: colors(accent, dark) };
  cache.set(accent, known);
  return known;
}

// Every page needs the colours. The cache stays small, because accents come from the settings only.
const cache = new Map<string, { light: Colors; dark: Colors }>();

/** The colours as CSS: the light ones, and the dark ones for users who prefer them. */
export function themeCss(accent: string): string {
  const { light, dark } = colorsOf(accent);
  return `:root{${declarations(light)}}\n@media screen and (prefers-color-scheme:dark){:root{${declarations(dark)}}}\n`;
}

function colors(accent: string, scheme: typeof light | typeof dark): Colors {
  const { c, h } = toOklch(accent);
  const isGrey = c < 0.02;
  const tint = Math.min(c, 0.008);
  const greys = Object.fromEntries(
    Object.entries(scheme.greys).map(([name, l]) => [name, toHex({ l, c: l === 1 ? 0 : tint, h })]),
  ) as Record<keyof typeof scheme.greys, string>;
  const tinted = (tone: { l: number; c: number }) => toHex({ l: tone.l, c: Math.min(c, tone.c), h });
  const soft = tinted(scheme.soft);
  const backgrounds = [greys.page, greys.surface];
  const { direction } = scheme;
  // In dark mode a dark accent would be invisible, so it is made lighter; a grey one even more, or it looks disabled.
  const shown =
    direction === 'darker' ? accent : withContrast(accent, backgrounds, isGrey ? 12 : 3, direction);
  const fill = darkenForWhiteText(shown);
  const on = readableOn(fill);
  return {
    ...greys,
    ...scheme.fixed,
    accent: fill,
    'accent-on': on,
    'accent-hover': shade(fill, on === '#ffffff' ? -0.05 : 0.05),
    'accent-edge': withContrast(isGrey ? greys.field : fill, backgrounds, 3, direction),
    'accent-ink': withContrast(
      isGrey ? greys.ink : accent,
      [...backgrounds, greys.raised, soft],
      4.6,
      direction,
    ),
    'accent-soft': soft,
    motif: tinted(scheme.motif),
  };
}

// Users expect white text on a strong colour; where its contrast is almost sufficient, the colour is made slightly darker.
function darkenForWhiteText(hex: string): string {
  return contrast(hex, '#ffffff') >= 3 ? withContrast(hex, ['#ffffff'], 4.5, 'darker') : hex;
}

// Lighter or darker by this much, away from the colour of its text, so that the contrast only grows.
function shade(hex: string, by: number): string {
  const color = toOklch(hex);
  return toHex({ ...color, l: color.l + by });
}

function declarations(all: Colors): string {
  return Object.entries(all)
    .map(([name, value]) => `--${name}:${value}`)
    .join(';');
}
