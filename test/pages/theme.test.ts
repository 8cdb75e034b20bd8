// The contrast of the colours, for any accent.
import test from 'ava';
import { contrast, toHex, toOklch } from '../../src/pages/color.ts';
import { type Colors, colorsOf } from '../../src/pages/theme.ts';
import { fc } from '../helpers/fuzzing.ts';

const hex = fc.integer({ min: 0, max: 0xffffff }).map((value) => `#${value.toString(16).padStart(6, '0')}`);

/** Foreground, background, and the contrast that they need (WCAG 2.2, 1.4.3 and 1.4.11). */
const pairs: [front: string, backgrounds: string[], ratio: number][] = [
  ['ink', ['page', 'surface', 'raised', 'accent-soft', 'danger-soft', 'warn-soft', 'good-soft'], 4.5],
  ['muted', ['page', 'surface', 'raised'], 4.5],
  ['accent-on', ['accent', 'accent-hover'], 4.5],
  ['accent-ink', ['page', 'surface', 'raised', 'accent-soft'], 4.5],
  ['accent-edge', ['page', 'surface'], 3],
  ['field', ['page', 'surface'], 3],
  ['danger', ['page', 'surface', 'raised', 'danger-soft'], 4.5],
  ['warn', ['warn-soft'], 4.5],
  ['good', ['good-soft'], 4.5],
];

function weakPairs(colors: Colors): string[] {
  return pairs.flatMap(([front, backgrounds, ratio]) =>
    backgrounds
      .filter((background) => contrast(colors[front] ?? '', colors[background] ?? '') < ratio)
      .map((background) => `${front} ${colors[front]} on ${background} ${colors[background]}`),
  );
}

test('with any accent colour, all text is readable in light and in dark', (t) => {
  const check = (accent: string) => {
    const { light, dark } = colorsOf(accent);
    t.deepEqual(weakPairs(light), [], accent);
    t.deepEqual(weakPairs(dark), [], accent);
  };
  for (const accent of ['#fff', '#000', '#ffd400', '#e5484d', '#0000ff', '#00ff00', '#808080']) check(accent);
  fc.assert(fc.property(hex, check), { numRuns: 500 });
});

test('a strong accent is shown unchanged in light mode', (t) => {
  for (const accent of ['#1f6b57', '#0b57d0', '#ffd400', '#000000'])
    t.is(colorsOf(accent).light.accent, accent);
});

test('a colour converted to OKLCH and back is unchanged', (t) => {
  fc.assert(fc.property(hex, (color) => t.is(toHex(toOklch(color)), color)));
});

test('contrast follows the formula of WCAG', (t) => {
  t.is(contrast('#000', '#ffffff'), 21);
  t.is(contrast('#abc', '#aabbcc'), 1);
  t.is(contrast('#777777', '#ffffff').toFixed(2), '4.48');
  t.is(contrast('#ffffff', '#0000ff').toFixed(2), '8.59');
});
