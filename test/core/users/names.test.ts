import test from 'ava';
import { email, isOfOneScript, nameKey, username } from '../../../src/core/users/names.ts';
import { fc } from '../../helpers/fuzzing.ts';

const isUsername = (name: string) => username.safeParse(name).success;

test('spellings that look the same have one key', (t) => {
  for (const [one, other] of [
    ['alice', 'ALICE'],
    ['alice', 'Ａｌｉｃｅ'],
    ['alice', '𝐚𝐥𝐢𝐜𝐞'],
    ['alice', 'ⓐⓛⓘⓒⓔ'],
    ['file', 'ﬁle'],
    ['josé', 'jose\u0301'],
    ['angstrom-å', 'ANGSTROM-\u212b'],
    ['kelvin', '\u212aelvin'],
    ['ワタシ', 'ﾜﾀｼ'],
    ['한국', '\u1112\u1161\u11ab\u1100\u116e\u11a8'],
    ['user2', 'user²'],
  ] as const) {
    t.is(nameKey(one), nameKey(other), `${one} ${other}`);
  }
});

test('a key is its own key, and an allowed name keeps its key', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (name) => {
      t.is(nameKey(nameKey(name)), nameKey(name));
      const parsed = username.safeParse(name);
      if (parsed.success) t.is(nameKey(parsed.data), nameKey(name));
    }),
    { numRuns: 2_000 },
  );
});

test('a text that is too long for a name is neither normalized nor allowed', (t) => {
  for (const text of ['A'.repeat(255), 'e\u0301'.repeat(128), '\u0345\u0300'.repeat(14_000)]) {
    t.is(nameKey(text), text);
    t.false(isUsername(text));
    t.false(email.safeParse(`${text}@example.com`).success);
  }
  t.is(nameKey('A'.repeat(254)), 'a'.repeat(254));
});

test('names that mix letters of different scripts are refused', (t) => {
  for (const name of [
    'р\u0430ypal', // Cyrillic р and а
    'pаypal', // Cyrillic а
    'gооgle', // Cyrillic о
    'аdmin', // Cyrillic а
    'αdmin', // Greek α
    'adminι',
    'Ꭺdmin', // Cherokee
    'аli-ce',
    'ali.сe', // Cyrillic с
    'administrаtor1',
    'ꓐob', // Lisu
    '田中tanaka',
    'ваня김',
    'アλ',
  ]) {
    t.false(isUsername(name), name);
  }
  t.false(isOfOneScript('pаypal'));
});

test('names in a single writing system are allowed', (t) => {
  for (const name of [
    'alice',
    'Zoë',
    'Ødegård',
    'Nguyễn-Văn',
    'Łukasz_1',
    'иван',
    'ВАНЯ.77',
    'Σωκράτης',
    '田中太郎',
    'たなか',
    'タナカー',
    '田中たろう',
    '김민수',
    '金민수',
    '李小龍',
    'ㄅㄆㄇ',
    'محمد',
    'דוד',
    'राम',
    'ராம்',
    'สมชาย',
    'გიორგი',
    'Հայկ',
    '007',
  ]) {
    t.is(username.parse(name), name.normalize('NFKC'), name);
  }
});

test('a username has a letter or digit, digits of one kind, and no piles of marks', (t) => {
  for (const name of [
    '....',
    '-_-',
    '..',
    '1\u0661\u06f12', // 1, Arabic-Indic 1, extended Arabic-Indic 1
    'user\u0661', // Latin with an Arabic digit
    '1\u0967', // 1, Devanagari 1
    `a${'\u0316\u0317'.repeat(3)}b`,
    'a\u0316\u0316b',
    '\u0316a',
    '.\u0316a',
  ]) {
    t.false(isUsername(name), JSON.stringify(name));
  }
  for (const name of [
    '..a',
    '__1',
    '\u0661\u0662',
    'محمد\u0661',
    'राम\u0967',
    'محمد1',
    'ศิริ',
    'Nguyễn',
    'a\u0316\u0303b',
  ])
    t.true(isUsername(name), name);
});

test('an e-mail address does not mix scripts within its parts', (t) => {
  for (const address of [
    'bоss@example.com', // Cyrillic о
    'boss@exаmple.com', // Cyrillic а
    'boss@example.cоm', // Cyrillic о
    'boss1\u0661@example.com',
    `b${'\u0316\u0317'.repeat(3)}oss@example.com`,
  ]) {
    t.false(email.safeParse(address).success, address);
  }
  for (const address of [
    'müller@почта.рф',
    'иван@example.com',
    '田中@例え.jp',
    "o'neil+x@example.co.uk",
    'a@1.example',
  ])
    t.true(email.safeParse(address).success, address);
});

test('a username with invisible characters is refused', (t) => {
  for (const [what, character] of Object.entries({
    'zero width space': '\u200b',
    'zero width joiner': '\u200d',
    'right-to-left override': '\u202e',
    'soft hyphen': '\u00ad',
    'byte order mark': '\ufeff',
    'word joiner': '\u2060',
    'combining grapheme joiner': '\u034f',
    'variation selector 1': '\ufe00',
    'emoji variation selector': '\ufe0f',
    'variation selector 17': '\u{e0100}',
    tag: '\u{e0061}',
    'Mongolian variation selector': '\u180b',
    NUL: '\0',
    'line feed': '\n',
    'lone surrogate': '\ud800',
  })) {
    t.false(isUsername(`alice${character}`), what);
    t.false(isUsername(`al${character}ice`), what);
  }
  for (const filler of ['\u115f', '\u1160', '\u3164', '\uffa0']) {
    t.false(isUsername(`김민수${filler}`), `Hangul filler ${filler.codePointAt(0)?.toString(16)}`);
  }
});

test('a username cannot be mistaken for an e-mail address or anything else', (t) => {
  for (const name of [
    'alice@example.com',
    'alice＠example.com',
    'alice﹫example.com',
    '@alice',
    'a',
    '',
    'a b',
    'alice ',
    ' alice',
    'a/b',
    '..%2f',
    "a'--",
    '<b>',
    'a\u2100b', // becomes a/c
    'x'.repeat(65),
    'ﷺ'.repeat(4), // grows to 72 characters
  ]) {
    t.false(isUsername(name), JSON.stringify(name));
  }
  t.true(isUsername('x'.repeat(64)));
});

test('an e-mail address has one @ and fits its column', (t) => {
  for (const address of ['a@b.example', 'ｉｎｆｏ＠b．example', 'jürgen@müller.example', '田中@例え.jp']) {
    t.is(email.parse(address), address.normalize('NFKC'));
  }
  for (const address of [
    'alice',
    'alice@localhost',
    'a@@b.example',
    'a@b@c.example',
    'a b@c.example',
    'a@b.example\n',
    'a\u200b@b.example',
    'a\0@b.example',
    'a\ufe0f@b.example',
    `${'x'.repeat(250)}@b.example`,
    `${'ﷺ'.repeat(100)}@b.example`, // grows to 1810 characters
  ]) {
    t.false(email.safeParse(address).success, JSON.stringify(address));
  }
});
