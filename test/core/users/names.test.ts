import test from 'ava';
import {
  addressKey,
  email,
  envelopeAddress,
  login,
  loginKey,
  nameKey,
  username,
} from '../../../src/core/users/names.ts';
import { isOfOneScript } from '../../../src/lib/scripts.ts';
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

test('the Unicode and the Punycode spelling of a domain are one address, in any case', (t) => {
  for (const [one, other] of [
    ['a@bücher.example', 'a@xn--bcher-kva.example'],
    ['a@BÜCHER.Example', 'A@XN--BCHER-KVA.example'],
    ['a@bu\u0308cher.example', 'a@xn--bcher-kva.example'],
    ['a@почта.рф', 'a@xn--80a1acny.xn--p1ai'],
    ['a@почта.рф', 'a@почта.xn--p1ai'],
    ['a@faß.example', 'a@xn--fa-hia.example'],
    ['a@☃.example', 'a@xn--n3h.example'],
    ['a@例え。jp', 'a@xn--r8jz45g.jp'],
  ] as const) {
    t.is(addressKey(one), addressKey(other), one);
    t.is(loginKey(one), loginKey(other), one);
    t.is(addressKey(addressKey(one)), addressKey(one));
    t.is(envelopeAddress(one)?.toLowerCase(), envelopeAddress(other)?.toLowerCase());
    t.regex(envelopeAddress(one) ?? '', /^[\x21-\x7e]+$/);
  }
  for (const one of '\u00ad\u200b\ufeff\u2060\ufe0f')
    t.not(addressKey(`a@bücher${one}.example`), addressKey('a@bücher.example'), 'not dropped');
  t.not(addressKey('a@faß.example'), addressKey('a@fass.example'), 'as registries have it');
});

test('plus tags and dots are distinct, and the stored spelling and the envelope keep the case of the local part', (t) => {
  const keys = ['a@x.example', 'a+x@x.example', 'a+y@x.example', 'a.b@x.example', 'ab@x.example'].map(
    addressKey,
  );
  t.is(new Set(keys).size, keys.length);
  t.is(addressKey('Jason@X.Example'), addressKey('jason@x.example'));
  t.is(email.parse('Jason.B+Tag@BÜCHER.example'), 'Jason.B+Tag@BÜCHER.example');
  t.is(envelopeAddress('Jason.B+Tag@BÜCHER.example'), 'Jason.B+Tag@xn--bcher-kva.example');
});

test('invisible and control characters are refused in an address, a username and a login, wherever they stand', (t) => {
  for (const one of '\u200f\u00ad\ufeff\u00a0\0\u0007\u001b\n\r\u200b\u2028\u3000\u202e\u2003\u007f\u0085') {
    const code = one.codePointAt(0)?.toString(16);
    for (const name of [`ali${one}ce`, `${one}alice`, `alice${one}`]) {
      t.false(isUsername(name), code);
      t.false(login.safeParse(name).success, code);
      t.false(email.safeParse(`${name}@x.example`).success, code);
    }
    for (const address of [`a@x${one}y.example`, `a@x.example${one}`, `a@x.${one}example`]) {
      t.false(email.safeParse(address).success, code);
      t.false(login.safeParse(address).success, code);
    }
  }
  t.false(email.safeParse('a@xn--x-qgn.example').success, 'a zero width joiner in Punycode');
});

test('blanks around a name are removed', (t) => {
  for (const [around, ...doors] of [
    [' \t alice  ', username.parse, login.parse, nameKey, loginKey],
    ['\ta@x.example ', email.parse, login.parse, addressKey, loginKey, nameKey],
  ] as const)
    for (const door of doors) t.is(door(around), around.trim());
});

test('only a plain local@domain is an address', (t) => {
  for (const address of [
    '"a b"@x.example',
    '"a"@x.example',
    'a(comment)@x.example',
    'Ada <a@x.example>',
    '<a@x.example>',
    'a,b@x.example',
    'a;b@x.example',
    'a:b@x.example',
    'a\\b@x.example',
    '.a@x.example',
    'a.@x.example',
    'a..b@x.example',
    'a@x..example',
    'a@x.example.',
    'a@.x.example',
    'a@-x.example',
    'a@x-.example',
    'a@[192.0.2.1]',
    'a@192.0.2.1',
    'a@x.1',
    'a@x.e',
    'a@x,y.example',
    'a@x%41.example',
    'a@xn--a.example',
    'a@xn--.example',
    'a@ä%2f.example',
    `${'a'.repeat(65)}@x.example`,
    `${'ä'.repeat(33)}@x.example`,
    `a@${'x'.repeat(64)}.example`,
    `a@${'ä'.repeat(62)}.example`,
    `a@${'äx.'.repeat(40)}example`,
    'a@xn--pypal-4ve.example', // pаypal with a Cyrillic а
  ]) {
    t.false(email.safeParse(address).success, address);
  }
  for (const address of [
    `${'a'.repeat(64)}@x.example`,
    "!#$%&'*+/=?^_`{|}~-@x.example",
    'a@x_y.example',
    'a@1.example',
  ])
    t.true(email.safeParse(address).success, address);
});

test('the longest and strangest text costs its key next to nothing', (t) => {
  for (const text of [`a@${'ä.'.repeat(126)}`, `a@${'xn--'.repeat(63)}`, ' '.repeat(254), '@'.repeat(254)]) {
    const begin = process.threadCpuUsage();
    for (let n = 0; n < 20; n += 1) addressKey(text);
    const { user } = process.threadCpuUsage(begin);
    t.true(user < 200_000, `${text.slice(0, 10)}: ${user} µs`);
  }
});
