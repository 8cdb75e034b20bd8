// Usernames and e-mail addresses: which are allowed, and the key under which two of them count as one.
import { z } from 'zod';

const scripts = [
  'Latin',
  'Cyrillic',
  'Greek',
  'Armenian',
  'Georgian',
  'Hebrew',
  'Arabic',
  'Devanagari',
  'Bengali',
  'Gurmukhi',
  'Gujarati',
  'Tamil',
  'Telugu',
  'Kannada',
  'Malayalam',
  'Sinhala',
  'Thai',
  'Lao',
  'Tibetan',
  'Myanmar',
  'Khmer',
  'Ethiopic',
  'Cherokee',
  'Mongolian',
  'Hangul',
  'Bopomofo',
  'Hiragana',
  'Katakana',
  'Han',
].map((name) => ({ name, pattern: new RegExp(`\\p{Script=${name}}`, 'u') }));

// Writing systems that are made of several scripts (UTS 39, "highly restrictive" without Latin).
const together = [
  ['Han', 'Hiragana', 'Katakana'],
  ['Han', 'Bopomofo'],
  ['Han', 'Hangul'],
];

/**
 * The scripts of a name's letters do not mix: with one Cyrillic letter, `раypal` would be somebody else's `paypal`.
 */
export function isOfOneScript(name: string): boolean {
  const found = new Set<string>();
  for (const character of name) {
    if (!/\p{L}/u.test(character) || /\p{Script=Common}|\p{Script=Inherited}/u.test(character)) continue;
    found.add(scripts.find((script) => script.pattern.test(character))?.name ?? 'other');
  }
  return found.size <= 1 || together.some((group) => [...found].every((script) => group.includes(script)));
}

/**
 * Longest name that is looked at, in UTF-16 code units. NFKC sorts runs of combining marks in quadratic time: 28,000 of
 * them take half a second. So the length is checked before anything is normalized.
 */
export const maxNameLength = 254;

/**
 * What two spellings of one name have in common: NFKC, lower-cased. A text longer than {@link maxNameLength} is no name;
 * it comes back as it is.
 */
export function nameKey(name: string): string {
  if (name.length > maxNameLength) return name;
  return name.normalize('NFKC').toLowerCase().normalize('NFKC');
}

/** A username: 2 to 64 letters, digits, `.`, `_`, `-`, of one script. No `@`, so that it is never taken for an address. */
export const username = z
  .string()
  .max(maxNameLength)
  .transform((value) => value.normalize('NFKC'))
  .pipe(
    z
      .string()
      .regex(/^[\p{L}\p{M}\p{N}._-]{2,64}$/u, 'must be 2 to 64 letters, digits, dots, dashes or underscores')
      // Variation selectors are marks and Hangul fillers letters, and nobody sees either.
      .regex(/^\P{Default_Ignorable_Code_Point}*$/u, 'must not contain invisible characters')
      .refine(isOfOneScript, 'must not mix letters of different scripts'),
  );

/** An e-mail address, at most 254 characters. */
export const email = z
  .string()
  .max(maxNameLength)
  .transform((value) => value.normalize('NFKC'))
  .pipe(
    z
      .string()
      // Again: NFKC makes up to 18 characters of one.
      .max(maxNameLength, { abort: true })
      .regex(/^[^\s@\p{C}]+@[^\s@\p{C}]+\.[^\s@\p{C}]+$/u, 'must be an e-mail address')
      .regex(/^\P{Default_Ignorable_Code_Point}*$/u, 'must not contain invisible characters'),
  );
