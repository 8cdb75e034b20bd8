// The hashes below were made by other implementations: Python's bcrypt 3.2, argon2-cffi 21.1, passlib 1.7, hashlib,
// Django 3.2; those of "lètmein" stand in Django's own tests.
import test from 'ava';
import { isOutdated, problemOfHash, verifyPassword } from '../../../../src/core/passwords/password_hash.ts';
import { fc, fuzzing } from '../../../helpers/fuzzing.ts';

const password = 'correct horse battery staple';

const ofPassword: Record<string, string> = {
  'bcrypt 2a': '$2a$04$5dntP6eWkxpQa.dOb6.NAOwyyTCpDHNpswEp9j6Kx2AhTd8sEiDDa',
  'bcrypt 2b': '$2b$04$tRfeBdhMJ2Gw1RUUncrYheVZsOvtAIBwBiz0HIkx2.SHh6MwreBiy',
  'bcrypt 2y': '$2y$04$7AZ8DQSuPrYfQXWRbi6CZurCaCmmtWm.O28EdMeqOG91i4r9SrCyW',
  'bcrypt of Django': 'bcrypt$$2b$04$gpm0BKt3pCZ4Y1oq6ZptC.M6onhWDNFxGx32pj1nqV2HByJitl43q',
  'bcrypt_sha256 of Django': 'bcrypt_sha256$$2b$04$eKq6ZktlFD8B5OP9D0eIH.ZzLbYZvsDG2p0yAST.yTbbNHtI4YiiW',
  argon2i: '$argon2i$v=19$m=512,t=2,p=2$BYNaBoq8fGs$1uLM+d1IgWAqDXDZ6R4XsA',
  argon2d: '$argon2d$v=19$m=512,t=2,p=2$VXOeKu9xIjE$1vn0KUkYzpHPNkBxs2jdhQ',
  argon2id: '$argon2id$v=19$m=512,t=2,p=2$/gKlhU5T0Rg$OiKdLXz2Ts70UTxZI/znrA',
  'argon2i of version 16':
    '$argon2i$v=16$m=512,t=2,p=1$c29tZXNhbHQ$jcr/wiHsgNoebW4V/Bm11gD3nVf0ugFvTUaXxzIrNjs',
  'argon2id of argon2-cffi': '$argon2id$v=19$m=102400,t=2,p=8$YBOCHlctMdpELXC7mJOVrQ$XMwR1qyYHMkgu5poiUpEDA',
  'argon2 of Django':
    'argon2$argon2id$v=19$m=102400,t=2,p=8$cDUzbXRTUEJqWTVoV0haZW5yOWlFdw$03T8XfRwBRTZpmMgNDF++g',
  'pbkdf2_sha256, few iterations': 'pbkdf2_sha256$1000$seasalt$3xmXbyk2QpiyNcnoBbzRPwEBsYPTbDlRdtmLyBvQltA=',
  'pbkdf2_sha256 of Django':
    'pbkdf2_sha256$260000$seasaltseasalt$hL2l07EPOwCF3y6xXB9CDwCWwqE+CrxFxV7+m9JM3ro=',
  'scrypt as Django writes it':
    'scrypt$1024$seasalt$8$1$QMBRDuNq7pljC9V+clmpGo+/U//V5nQlsLBnaDD9vK5WG80UWev7M6KyTAM0hUJc1RssTgKy001SIjbeho4/iQ==',
  'scrypt of passlib, small':
    '$scrypt$ln=8,r=8,p=1$BYAwhtC6N4Zwbg3B2BvjfA$k/GAPi2UcTDK2DolmdGC9tuTpAVaSc29wtmSyeOWo70',
  'scrypt of passlib':
    '$scrypt$ln=16,r=8,p=1$/V/LOcfYm5MypvQ+J8RYqw$tlCfgkPSFouP1Wjdl+ilLtvNON6udnxQ7+R1Io15olg',
};

for (const [name, stored] of Object.entries(ofPassword)) {
  test(`${name}: the password is right, others are wrong, and the hash is to be replaced`, async (t) => {
    t.is(problemOfHash(stored), null);
    t.true(await verifyPassword(password, stored));
    t.false(await verifyPassword(`${password} `, stored));
    t.false(await verifyPassword('', stored));
    t.true(isOutdated(stored));
  });
}

const ofDjangosTests = [
  'pbkdf2_sha256$390000$seasalt$8xBlGd3jVgvJ+92hWPxi5ww0uuAuAnKgC45eudxro7c=',
  'scrypt$16384$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw==',
];

for (const stored of ofDjangosTests) {
  test(`Django's own example: ${stored.slice(0, 24)}`, async (t) => {
    t.true(await verifyPassword('lètmein', stored));
    t.false(await verifyPassword('lètmeinz', stored));
  });
}

test('a password is right as it was typed, whichever Unicode form the other system hashed', async (t) => {
  const decomposed = 'cre\u0300me bru\u0302le\u0301e';
  const ofDecomposed = '$2b$04$vh.xMLzzPF8AZSYbqox9Furog6YLcTWWZhIYxG8w4bfCa.Uj0YoHK';
  const ofComposed = '$2b$04$liANg/UiuKlOBDflWnHb6O4AvIoeTlIk9dpdIBUKSNbjWJkxb5ThS';
  t.true(await verifyPassword(decomposed, ofDecomposed));
  t.true(await verifyPassword(decomposed, ofComposed));
  t.true(await verifyPassword(decomposed.normalize('NFC'), ofComposed));
  t.false(await verifyPassword('creme brulee', ofDecomposed));
});

test('bcrypt uses the first 72 bytes of a password, and bcrypt_sha256 of Django all of them', async (t) => {
  const of72 = '$2b$04$OXg4hXFBKXVcknvWl6ziIeRKjSYxiDMvrIMVK9gTPG.TfXF9Z3vo.';
  t.true(await verifyPassword('x'.repeat(72), of72));
  t.true(await verifyPassword(`${'x'.repeat(72)}tail`, of72));
  t.false(await verifyPassword('x'.repeat(71), of72));
  t.false(await verifyPassword('x'.repeat(10_240).slice(0, 10_239).padStart(10_240, 'y'), of72));
});

const bcrypt = ofPassword['bcrypt 2b'] ?? '';
const argon2 = ofPassword.argon2id ?? '';
const pbkdf2 = ofPassword['pbkdf2_sha256, few iterations'] ?? '';
const django = ofPassword['scrypt as Django writes it'] ?? '';
const phc = ofPassword['scrypt of passlib, small'] ?? '';

const problems: Record<string, string[]> = {
  unknown_hash_format: [
    '',
    password,
    '5f4dcc3b5aa765d61d8327deb882cf99',
    '$1$salt$hash',
    '$6$rounds=5000$salt$hash',
    'pbkdf2_sha1$1000$seasalt$3xmXbyk2QpiyNcnoBbzRPwEBsYPTbDlRdtmLyBvQltA=',
    'md5$seasalt$3f86d0d3d465b7b458c231bf3555c0e3',
    '!unusable',
    ` ${bcrypt}`,
    `${bcrypt}\n`,
    pbkdf2.replace('seasalt', 'sea\0salt'),
  ],
  malformed_hash: [
    '$2b$04$short',
    bcrypt.replace('$2b', '$2x'),
    bcrypt.replace('$04', '$4'),
    bcrypt.replace('$04', '$03'),
    bcrypt.replace('$04', '$32'),
    `${bcrypt}x`,
    argon2.replace('v=19', 'v=20'),
    argon2.replace('m=512', 'm=15'),
    argon2.replace('t=2', 't=0'),
    argon2.replace('p=2', 'p=0'),
    argon2.replace('m=512,t=2', 't=2,m=512'),
    argon2.replace('m=512', 'm=-512'),
    argon2.replace('m=512', 'm=0512'),
    argon2.replace('t=2', 't=02'),
    argon2.replace('p=2', 'p=02'),
    argon2.replace('m=512', 'm=9999999999999'),
    `${argon2}=`,
    argon2.slice(0, 50),
    `$argon2id$v=19$m=512,t=2,p=2$${'A'.repeat(100)}$OiKdLXz2Ts70UTxZI/znrA`,
    pbkdf2.replace('1000', '0'),
    pbkdf2.replace('1000', '1e3'),
    pbkdf2.replace('1000', ''),
    pbkdf2.replace('$seasalt', ''),
    pbkdf2.slice(0, -4),
    pbkdf2.replace('3xm', '3_m'),
    django.replace('1024', '1023'),
    django.replace('1024', '1'),
    django.replace('$8$', '$0$'),
    django.slice(0, -4),
    'scrypt$',
    phc.replace('ln=8', 'ln=0'),
    phc.replace('r=8', 'r=0'),
    phc.replace('ln=8,', ''),
    `${phc}=`,
  ],
  hash_too_costly: [
    bcrypt.replace('$04', '$15'),
    bcrypt.replace('$04', '$31'),
    argon2.replace('m=512', 'm=262145'),
    argon2.replace('t=2', 't=2049'),
    argon2.replace('p=2', 'p=17'),
    argon2.replace('m=512', 'm=999999999'),
    pbkdf2.replace('1000', '2000001'),
    pbkdf2.replace('1000', '4294967296'),
    django.replace('1024', '262144'),
    django.replace('$8$1$', '$8$1000$'),
    phc.replace('ln=8', 'ln=18'),
    phc.replace('ln=8', 'ln=99'),
    phc.replace('r=8,p=1', 'r=99999,p=99999'),
  ],
};

for (const [problem, hashes] of Object.entries(problems)) {
  test(`what is refused as ${problem} is a wrong password too, and never an error`, async (t) => {
    for (const stored of hashes) {
      t.is<string | null, string>(problemOfHash(stored), problem, stored);
      t.false(await verifyPassword(password, stored), stored);
    }
  });
}

test('the highest accepted costs include those that OWASP, Django and libsodium recommend', (t) => {
  for (const stored of [
    bcrypt.replace('$04', '$14'),
    argon2.replace('m=512,t=2,p=2', 'm=262144,t=3,p=1'),
    argon2.replace('m=512,t=2,p=2', 'm=65536,t=4,p=4'),
    pbkdf2.replace('1000', '1500000'),
    django.replace('1024$seasalt$8$1', '16384$seasalt$8$5'),
    phc.replace('ln=8', 'ln=17'),
  ]) {
    t.is(problemOfHash(stored), null, stored);
  }
});

test('hashes with the shortest and longest accepted salts and keys can be verified', async (t) => {
  const text = (bytes: number) => Buffer.alloc(bytes, 7).toString('base64').replaceAll('=', '');
  const outcomes: unknown[] = [];
  for (const salt of [8, 9, 10, 11, 12, 47, 48]) {
    for (const key of [10, 11, 12, 63, 64]) {
      for (const stored of [
        `$argon2id$v=19$m=8,t=1,p=1$${text(salt)}$${text(key)}`,
        `$scrypt$ln=1,r=1,p=1$${text(salt)}$${text(Math.max(16, key))}`,
      ]) {
        t.is(problemOfHash(stored), null, stored);
        outcomes.push(await verifyPassword(password, stored));
      }
    }
  }
  t.deepEqual(new Set(outcomes), new Set([false]));
});

test('a mutated hash is verified or refused and never throws', async (t) => {
  const hashes = Object.values(ofPassword).filter((one) => !/m=102400|260000|ln=16/.test(one));
  const change = fc.record({
    stored: fc.constantFrom(...hashes),
    at: fc.nat(130),
    by: fc.string({ unit: fc.constantFrom(...'$=,/.+0123456789abAB'), minLength: 0, maxLength: 2 }),
  });
  await t.notThrowsAsync(
    fc.assert(
      fc.asyncProperty(change, async ({ stored, at, by }) => {
        const changed = stored.slice(0, at) + by + stored.slice(at + 1);
        // Hashes that take a second are accepted, but would make this test slow.
        if (problemOfHash(changed) !== null || changed.length === stored.length) return;
        await verifyPassword(password, changed);
      }),
      fuzzing(t, 300),
    ),
  );
});
