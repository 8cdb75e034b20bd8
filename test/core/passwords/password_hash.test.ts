import { hash } from '@node-rs/argon2';
import test from 'ava';
import { hashPassword, isOutdated, verifyPassword } from '../../../src/core/passwords/password_hash.ts';

test('a hash is argon2id with our parameters and its own salt', async (t) => {
  const [one, other] = await Promise.all([hashPassword('secret'), hashPassword('secret')]);
  t.regex(one, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  t.not(one, other);
  t.false(isOutdated(one));
});

test('only the exact password is accepted', async (t) => {
  const stored = await hashPassword('Correct horse');
  const answers = await Promise.all(
    ['Correct horse', 'correct horse', 'Correct horse ', 'Correct hors', '', 'Correct\0horse', stored].map(
      (one) => verifyPassword(one, stored),
    ),
  );
  t.deepEqual(answers, [true, false, false, false, false, false, false]);
});

test('two Unicode spellings of one password are the same password', async (t) => {
  const stored = await hashPassword('cr\u00e8me br\u00fbl\u00e9e');
  t.true(await verifyPassword('cre\u0300me bru\u0302le\u0301e', stored));
  t.false(await verifyPassword('creme brulee', stored));
});

test('without a stored hash no password is accepted, not even an empty one', async (t) => {
  t.deepEqual(await Promise.all(['', 'x', 'null'].map((one) => verifyPassword(one, null))), [
    false,
    false,
    false,
  ]);
});

test('passwords of up to 1,024 code units and of any content are hashed whole', async (t) => {
  const long = 'x'.repeat(1_023);
  for (const password of [
    long,
    '',
    '\0',
    `a\0b`,
    '\u{1f600}'.repeat(511),
    '\ufdfa'.repeat(1_000),
    '\ud800',
  ]) {
    const stored = await hashPassword(password);
    t.true(await verifyPassword(password, stored), JSON.stringify(password.slice(0, 20)));
    t.false(await verifyPassword(`${password}y`, stored), 'not cut off');
  }
  t.false(await verifyPassword(`${'x'.repeat(1_022)}y`, await hashPassword(long)));
});

test('a password longer than the maximum is wrong, whatever is stored', async (t) => {
  for (const password of ['x'.repeat(1_025), '\u0345\u0300'.repeat(513)]) {
    t.false(await verifyPassword(password, await hash(password.normalize('NFKC'))));
    t.false(await verifyPassword(password, await hash('')));
  }
});

test('a hash with other parameters or another algorithm is outdated', async (t) => {
  const strength = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };
  t.false(isOutdated(await hash('x', strength)));
  t.true(isOutdated(await hash('x', { ...strength, memoryCost: 8_192 })));
  t.true(isOutdated(await hash('x', { ...strength, timeCost: 3 })));
  t.true(isOutdated(await hash('x', { ...strength, parallelism: 2 })));
  t.true(isOutdated(await hash('x', { ...strength, algorithm: 1 })));
  t.true(isOutdated('$2b$12$abcdefghijklmnopqrstuv'));
});

test('many concurrent logins all get the right answer', async (t) => {
  const stored = await hashPassword('x');
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, i) => verifyPassword(i % 2 ? 'x' : 'y', stored)),
  );
  t.deepEqual(
    answers,
    Array.from({ length: 12 }, (_, i) => i % 2 === 1),
  );
});
