// Usernames and e-mail addresses: which are allowed, and the key by which two of them count as the same.
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

// Script_Extensions instead of Script: a character that several scripts share, such as an Arabic digit, belongs to each.
const patterns = new Map<string, RegExp>(
  scripts.map((name) => [name, new RegExp(`\\p{Script_Extensions=${name}}`, 'u')]),
);
const shared = /\p{Script_Extensions=Common}|\p{Script_Extensions=Inherited}/u;

// Writing systems: one script, or a combination that UTS 39 ("highly restrictive") allows, without Latin.
const systems: readonly (readonly string[])[] = [
  ...scripts.map((name) => [name]),
  ['Han', 'Hiragana', 'Katakana'],
  ['Han', 'Bopomofo'],
  ['Han', 'Hangul'],
];

/**
 * Whether all letters and digits of a name belong to one writing system. Otherwise `раypal` with two Cyrillic letters would
 * look like `paypal`. Characters that all scripts share, such as 0 to 9, are allowed with each.
 */
export function isOfOneScript(name: string): boolean {
  const own = [...name].filter((one) => /[\p{L}\p{Nd}]/u.test(one) && !shared.test(one));
  const isOf = (one: string) => (script: string) => patterns.get(script)?.test(one) === true;
  const isWritten = (system: readonly string[]) => own.every((one) => system.some(isOf(one)));
  // Scripts that are not listed are rare, and are not distinguished from each other.
  return systems.some(isWritten) || own.every((one) => !scripts.some(isOf(one)));
}

/** Whether all digits of a name are of one decimal system (UTS 39, 5.3): `1١۱` would be another spelling of 111. */
export function hasOneKindOfDigits(name: string): boolean {
  return new Set((name.match(/\p{Nd}/gu) ?? []).map(zeroOf)).size <= 1;
}

// The ten digits of a system follow each other, and no other digit precedes them.
function zeroOf(digit: string): number {
  let code = digit.codePointAt(0) ?? 0;
  while (/\p{Nd}/u.test(String.fromCodePoint(code - 1))) code -= 1;
  return code;
}

// Combining marks without a base, more than four on one base, or the same one twice in a row (UTS 39, 5.4).
const stackedMarks = /(^|[^\p{L}\p{M}\p{N}])\p{M}|\p{M}{5}|(\p{Mn})\2/u;

// Whether a text has no digits or marks that make two names look alike.
function isPlainlyWritten(text: string): boolean {
  return hasOneKindOfDigits(text) && !stackedMarks.test(text);
}

/**
 * Longest name that is normalized, in UTF-16 code units. NFKC sorts runs of combining marks in quadratic time: 28,000 of
 * them take half a second. So the length is checked first.
 */
export const maxNameLength = 254;

/**
 * The key that all spellings of one name share: NFKC, lower-cased. A text longer than {@link maxNameLength} is not a name
 * and is returned unchanged.
 */
export function nameKey(name: string): string {
  if (name.length > maxNameLength) return name;
  return name.normalize('NFKC').toLowerCase().normalize('NFKC');
}

// Ranges of ASCII and Latin-1 for the pattern in the OpenAPI document: all but letters and digits, and all that a name may not have.
const ascii = {
  noLetter: '\\x00-\\x2f\\x3a-\\x40\\x5b-\\x60\\x7b-\\x9f',
  refused: '\\x00-\\x2c\\x2f\\x3a-\\x40\\x5b-\\x5e\\x60\\x7b-\\x9f',
};

/**
 * A new username: 2 to 64 letters, digits, `.`, `_`, `-`, of one script, with at least one letter or digit. No `@`, so that
 * it is never mistaken for an address. Existing names are not checked again.
 */
export const username = z
  .string()
  .max(maxNameLength)
  .meta({
    description:
      '2 to 64 letters, digits, `.`, `_` or `-`, with at least one letter or digit, all of one script; compared without regard to case',
    minLength: 2,
    maxLength: 64,
    // What can be said in every dialect: which ASCII characters are refused, and that dots and dashes alone are no name.
    pattern: `^[._-]*[^${ascii.noLetter}][^${ascii.refused}]*$`,
  })
  .transform((value) => value.normalize('NFKC'))
  .pipe(
    z
      .string()
      .regex(/^[\p{L}\p{M}\p{N}._-]{2,64}$/u, 'must be 2 to 64 letters, digits, dots, dashes or underscores')
      // Variation selectors count as marks and Hangul fillers as letters, and both are invisible.
      .regex(/^\P{Default_Ignorable_Code_Point}*$/u, 'must not contain invisible characters')
      .regex(/[\p{L}\p{N}]/u, 'must have a letter or a digit')
      .refine(isOfOneScript, 'must not mix letters or digits of different scripts')
      .refine(isPlainlyWritten, 'must not mix kinds of digits nor pile up marks'),
  );

/**
 * A new e-mail address, at most 254 characters. The part before the `@` and each label of the domain follow the rules of
 * scripts, each by itself: `müller@почта.рф` is allowed.
 */
export const email = z
  .string()
  .max(maxNameLength)
  .meta({
    description:
      'an e-mail address; the part before the `@` and each label of the domain are each of one script; compared without regard to case',
    format: 'idn-email',
    pattern: '^[^@\\x00-\\x20\\x7f-\\xa0]+@[^@\\x00-\\x20\\x7f-\\xa0]+\\.[^@\\x00-\\x20\\x7f-\\xa0]+$',
  })
  .transform((value) => value.normalize('NFKC'))
  .pipe(
    z
      .string()
      // Checked again, because NFKC turns one character into up to 18.
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
