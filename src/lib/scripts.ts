// Writing systems: which texts look like another one because they mix scripts, kinds of digits, or marks (UTS 39).

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

// Whether all digits of a name are of one decimal system (UTS 39, 5.3): `1١۱` would be another spelling of 111.
function hasOneKindOfDigits(name: string): boolean {
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

/** Whether a text has no digits or marks that make two names look alike. */
export function isPlainlyWritten(text: string): boolean {
  return hasOneKindOfDigits(text) && !stackedMarks.test(text);
}
