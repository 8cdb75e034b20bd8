// Values that an attacker puts into a field: text that is too long, unusual or of another language, and such JSON. Values that
// only a running server knows stand in the text as references (references.ts).
import { fc } from '../../helpers/fuzzing.ts';
import { publicNames, type ReferenceName, referenceNames } from './references.ts';

/** A part of every secret value; no line of the log may hold it. */
export const marker = 'fuzzed-secret';

/** The attacker's host. No answer may redirect there, and its lookup does not leave this machine. */
export const evil = 'evil.localhost';

const nasty = [
  '',
  ' ',
  '\0',
  'a\0b',
  '\ud800',
  'a\udfffb',
  '\ufffe',
  '\u202eabc',
  'e\u0301'.repeat(30),
  '\ufdfa'.repeat(20),
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  "' OR '1'='1",
  "x'; drop table users; --",
  "\\'; select pg_sleep(9); --",
  '%',
  '_%',
  '{{7*7}}',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: an attacker sends this text.
  '${7*7}',
  '<%= 7*7 %>',
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  '../../../../etc/passwd',
  '%2e%2e%2f%00',
  '%zz%',
  'x\r\nX-Injected: 1',
  '-1',
  '1e999',
  'NaN',
  '2147483648',
  '9223372036854775808',
  '99999999999999999999999999',
  '0x10',
  'null',
  'true',
  '[]',
  '{"a":1}',
  '00000000-0000-0000-0000-000000000000',
  'ffffffff-ffff-ffff-ffff-ffffffffffff',
  '0000-00-00T00:00:00Z',
  '0000-01-01T00:00:00Z',
  '9999-12-31T23:59:59.999Z',
  '2024-02-30T25:61:61Z',
  '2024-01-01T00:00:00.123456789Z',
  `https://${evil}/`,
  `//${evil}`,
  `/\\${evil}`,
  `javascript:alert(1)//${evil}`,
  'data:text/html,x',
  'urn:ietf:params:oauth:request_uri:x',
  'openid account admin',
  'openid  openid',
  '\u00e4'.repeat(300),
];

const bends = ['', '', '', '|flip', '|cut', '|twice', '|upper', '|pad'];

function referenceTo(names: readonly ReferenceName[]): fc.Arbitrary<string> {
  return fc
    .tuple(fc.constantFrom(...names), fc.constantFrom(...bends), fc.nat(400))
    .map(([name, bend, at]) => `{{${name}${bend}${bend ? `:${at}` : ''}}}`);
}

function textWith(names: readonly ReferenceName[]): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...nasty) },
    { weight: 3, arbitrary: referenceTo(names) },
    { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
    { weight: 2, arbitrary: fc.string({ unit: 'grapheme', maxLength: 40 }) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 50_000 }).map((length) => 'x'.repeat(length)) },
    { weight: 1, arbitrary: fc.json({ maxDepth: 2 }).map((one) => Buffer.from(one).toString('base64url')) },
  );
}

/** Unexpected text, including tokens in wrong places. */
export const text: fc.Arbitrary<string> = textWith(referenceNames);

/** The same without tokens, for values that are logged or kept as a name, such as a path. */
export const publicText: fc.Arbitrary<string> = textWith(publicNames);

const scalar: fc.Arbitrary<unknown> = fc.oneof(
  publicText,
  fc.constantFrom<unknown>(null, true, false, 0, -1, 0.5, 1e308, 2 ** 31, 2 ** 53, -(2 ** 63)),
  fc.integer(),
);

/** Unexpected JSON. */
export const json: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 5, arbitrary: scalar },
  { weight: 1, arbitrary: fc.array(scalar, { maxLength: 5 }) },
  {
    weight: 1,
    arbitrary: fc.dictionary(fc.oneof(fc.constantFrom(...nasty), fc.string()), scalar, { maxKeys: 4 }),
  },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 3_000 }).map(deep) },
);

/** Nested lists. */
function deep(levels: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < levels; i += 1) value = [value];
  return value;
}

/** Mostly the expected value, sometimes another. */
export function mostly<Value>(good: fc.Arbitrary<Value>): fc.Arbitrary<Value | string> {
  return fc.oneof({ weight: 4, arbitrary: good }, { weight: 1, arbitrary: publicText });
}

/** Text in the place of a secret; it contains the {@link marker}. */
export const secretText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(marker, `${marker} and more`, `krt_${marker}`, `${marker}.${marker}.${marker}`),
  text.map((one) => marker + one.slice(0, 200)),
);
