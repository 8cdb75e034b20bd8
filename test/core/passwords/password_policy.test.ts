import test from 'ava';
import { verifyPassword } from '../../../src/core/passwords/password_hash.ts';
import { hashNewPassword, weaknessOf } from '../../../src/core/passwords/password_policy.ts';
import type { AppError } from '../../../src/lib/errors.ts';

const owner = { username: 'Ada.Lovelace', email: 'countess@Example.com' };

async function findWeaknesses(passwords: string[], of = owner): Promise<Record<string, string | null>> {
  const found = await Promise.all(passwords.map((one) => weaknessOf(one, of)));
  return Object.fromEntries(passwords.map((one, i) => [one, found[i] ?? null]));
}

function all(passwords: string[], weakness: string | null): Record<string, string | null> {
  return Object.fromEntries(passwords.map((one) => [one, weakness]));
}

test('a long password that is hard to guess is accepted, without rules of composition', async (t) => {
  const good = [
    'zkqvwjxp',
    'correct horse battery staple',
    'ALL CAPITALS HERE',
    '              .',
    'пароль от почты',
    '密码是这个八个字',
    '🦔🦔🦔🦔🦔🦔🦔🐢',
    '48211059337',
    'not ada.lovelace',
  ];
  t.deepEqual(await findWeaknesses(good), all(good, null));
});

test('length counts characters as people see them, after normalization', async (t) => {
  const short = ['', 'zkqvwjx', '🦔🐢🦔🐢🦔🐢🦔', 'e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301'];
  t.deepEqual(await findWeaknesses(short), all(short, 'password_too_short'));
  t.is(await weaknessOf(`${'🦔🐢'.repeat(128)}`, owner), null);
  t.is(await weaknessOf(`${'🦔🐢'.repeat(128)}x`, owner), 'password_too_long');
  t.is(await weaknessOf('e\u0301a\u0301'.repeat(128), owner), null, 'two code points that become one');
  t.is(await weaknessOf('\ufdfa'.repeat(15), owner), 'password_too_long', 'one that becomes eighteen');
});

test('common passwords are refused in every spelling', async (t) => {
  const common = [
    'password',
    'PassWord',
    'ｐａｓｓｗｏｒｄ',
    '12345678',
    'password1',
    'qwertyuiop',
    'iloveyou',
    'trustno1',
    'sunshine',
    'aaaaaaaaaaaaaaaa',
    '0000000000000',
    '🦔🦔🦔🦔🦔🦔🦔🦔🦔',
  ];
  t.deepEqual(await findWeaknesses(common), all(common, 'password_too_common'));
});

test('the username, the address and its local part are refused, also with digits appended', async (t) => {
  const names = [
    'ada.lovelace',
    'ADA.LOVELACE',
    'Ａda.Lovelace',
    'ada.lovelace1',
    'Ada.Lovelace2026',
    'countess@example.com',
    'Countess@Example.COM7',
    'countess',
    'COUNTESS1815',
  ];
  t.deepEqual(await findWeaknesses(names), all(names, 'password_is_name'));
  const others = ['ada.lovelace!', 'my countess', 'lovelace1815', 'countess of l'];
  t.deepEqual(await findWeaknesses(others), all(others, null));
  t.is(await weaknessOf('bob123456', { username: 'bob' }), 'password_is_name');
  t.is(await weaknessOf('zkqvwjxp1', { username: 'bob', email: null }), null);
});

test('a new password is hashed, or refused with the reason and a text that says what to do', async (t) => {
  const stored = await hashNewPassword('cre\u0300me bru\u0302le\u0301e', owner);
  t.true(await verifyPassword('crème brûlée', stored));
  const refused = await t.throwsAsync<AppError>(hashNewPassword('short', owner));
  t.deepEqual(
    [refused?.code, refused?.status, refused?.reason, refused?.message],
    ['weak_password', 400, 'password_too_short', 'The password must have at least 8 characters.'],
  );
});
