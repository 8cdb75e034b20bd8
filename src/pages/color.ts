// Colours: their contrast ratio (WCAG 2), and how to change a colour until it has a given contrast. Lightness is changed in
// OKLCH, where the perceived hue stays the same.

/** Perceived lightness 0 to 1, chroma 0 to about 0.3, hue in degrees. */
export interface Oklch {
  l: number;
  c: number;
  h: number;
}

type Triple = [number, number, number];

/** The hex colour `#rgb` or `#rrggbb` in OKLCH. */
export function toOklch(hex: string): Oklch {
  const [r, g, b] = linearOf(hex);
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  const a = 1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s;
  const bb = 0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s;
  const lightness = 0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s;
  return { l: lightness, c: Math.hypot(a, bb), h: (Math.atan2(bb, a) * 180) / Math.PI };
}

/** The nearest hex colour in the sRGB gamut: lightness and hue stay, chroma is reduced. */
export function toHex({ l, c, h }: Oklch): string {
  const lightness = Math.min(1, Math.max(0, l));
  let chroma = c;
  let color = toLinear({ l: lightness, c: chroma, h });
  while (chroma > 0 && color.some((one) => one < -0.0005 || one > 1.0005)) {
    chroma = Math.max(0, chroma - 0.002);
    color = toLinear({ l: lightness, c: chroma, h });
  }
  return `#${color.map(toByte).join('')}`;
}

/** The contrast ratio of two hex colours, 1 to 21 (WCAG 2.2, "contrast ratio"). */
export function contrast(one: string, other: string): number {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

/**
 * The colour nearest to `hex` with a contrast of at least `ratio` to each of the `backgrounds`, found by making it darker or
 * lighter; `hex` itself when its contrast is sufficient.
 */
export function withContrast(
  hex: string,
  backgrounds: string[],
  ratio: number,
  direction: 'darker' | 'lighter',
): string {
  const hasContrast = (color: string) =>
    backgrounds.every((background) => contrast(color, background) >= ratio);
  const from = toOklch(hex);
  const step = direction === 'darker' ? -0.01 : 0.01;
  let color = hex;
  for (let l = from.l; l >= 0 && l <= 1 && !hasContrast(color); l += step) color = toHex({ ...from, l });
  if (hasContrast(color)) return color;
  return direction === 'darker' ? '#000000' : '#ffffff';
}

/** White or black, for text on `hex`: one of the two always has a ratio of 4.5. White where both have. */
export function readableOn(hex: string): '#ffffff' | '#000000' {
  return contrast(hex, '#ffffff') >= 4.5 ? '#ffffff' : '#000000';
}

function toLinear({ l, c, h }: Oklch): Triple {
  const a = c * Math.cos((h * Math.PI) / 180);
  const b = c * Math.sin((h * Math.PI) / 180);
  const long = (l + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const medium = (l - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const short = (l - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
    -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
    -0.0041960863 * long - 0.7034186147 * medium + 1.707614701 * short,
  ];
}

function linearOf(hex: string): Triple {
  const long = hex.length === 4 ? hex.replaceAll(/[^#]/g, (digit) => digit + digit) : hex;
  const channel = (at: number) => {
    const value = Number.parseInt(long.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return [channel(1), channel(3), channel(5)];
}

function luminance(hex: string): number {
  const [r, g, b] = linearOf(hex);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function toByte(linear: number): string {
  const value = Math.min(1, Math.max(0, linear));
  const encoded = value <= 0.0031308 ? value * 12.92 : 1.055 * value ** (1 / 2.4) - 0.055;
  return Math.round(encoded * 255)
    .toString(16)
    .padStart(2, '0');
}
