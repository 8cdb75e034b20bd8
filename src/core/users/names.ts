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
] as const;

// Script_Extensions and not Script: a sign that several scripts share, such as the Arabic digits, is of each of them.
const patterns = new Map<string, RegExp>(
  scripts.map((name) => [name, new RegExp(`\\p{Script_Extensions=${name}}`, 'u')]),
);
const shared = /\p{Script_Extensions=Common}|\p{Script_Extensions=Inherited}/u;

// Writing systems, most of them of one script. Those of several are those of UTS 39, "highly restrictive", without Latin.
const systems: readonly (readonly string[])[] = [
  ...scripts.map((name) => [name]),
  ['Han', 'Hiragana', 'Katakana'],
  ['Han', 'Bopomofo'],
  ['Han', 'Hangul'],
];

/**
 * The letters and digits of a name are of one writing system: with one Cyrillic letter, `раypal` would be somebody else's
 * `paypal`. What all scripts share, such as 0 to 9, goes with each.
 */
export function isOfOneScript(name: string): boolean {
  const own = [...name].filter((one) => /[\p{L}\p{Nd}]/u.test(one) && !shared.test(one));
  const isOf = (one: string) => (script: string) => patterns.get(script)?.test(one) === true;
  const isWritten = (system: readonly string[]) => own.every((one) => system.some(isOf(one)));
  // The many scripts that are not listed are seldom, and not told from each other.
  return systems.some(isWritten) || own.every((one) => !scripts.some(isOf(one)));
}

/** The digits of a name are of one row of ten (UTS 39, 5.3): `1١۱` would be three spellings of 111. */
export function hasOneKindOfDigits(name: string): boolean {
  return new Set((name.match(/\p{Nd}/gu) ?? []).map(zeroOf)).size <= 1;
}

// Each row of digits has its ten in order, and nothing of the kind before them.
function zeroOf(digit: string): number {
  let code = digit.codePointAt(0) ?? 0;
  while (/\p{Nd}/u.test(String.fromCodePoint(code - 1))) code -= 1;
  return code;
}

// Marks stand on something, at most four on one sign and none of them twice in a row (UTS 39, 5.4).
const stackedMarks = /(^|[^\p{L}\p{M}\p{N}])\p{M}|\p{M}{5}|(\p{Mn})\2/u;

// What two names may not be told apart by.
function isPlainlyWritten(text: string): boolean {
  return hasOneKindOfDigits(text) && !stackedMarks.test(text);
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

/**
 * A new username: 2 to 64 letters, digits, `.`, `_`, `-`, of one script, with something in it beside signs. No `@`, so that
 * it is never taken for an address. Names that exist are never judged by it.
 */
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
      .regex(/[\p{L}\p{N}]/u, 'must have a letter or a digit')
      .refine(isOfOneScript, 'must not mix letters or digits of different scripts')
      .refine(isPlainlyWritten, 'must not mix kinds of digits nor pile up marks'),
  );

/**
 * A new e-mail address, at most 254 characters. The part before the `@` and each label of the domain are written as a
 * username is, each in a script of its own: `müller@почта.рф` is one address, and nobody's look-alike.
 */
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
      .regex(/^\P{Default_Ignorable_Code_Point}*$/u, 'must not contain invisible characters')
      .refine(
        (address) => partsOf(address).every(isOfOneScript),
        'must not mix letters or digits of different scripts',
      )
      .refine(
        (address) => partsOf(address).every(isPlainlyWritten),
        'must not mix kinds of digits nor pile up marks',
      ),
  );

function partsOf(address: string): string[] {
  const [local = '', domain = ''] = address.split('@');
  return [local, ...domain.split('.')];
}
