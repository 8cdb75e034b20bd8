import test from 'ava';
import { changeClaims, mostClaimBytes } from '../../../src/core/users/profile_claims.ts';
import type { ProfileClaims } from '../../../src/core/users/users.ts';

const full: ProfileClaims = {
  name: 'Ada Lovelace',
  given_name: 'Ada',
  family_name: 'Lovelace',
  picture: 'https://pictures.example/ada.png?size=64',
  locale: 'de-CH',
  zoneinfo: 'Europe/Zurich',
};

test('a change is a merge patch: null removes, what is absent stays, objects of app merge', (t) => {
  t.deepEqual(changeClaims(null, full, 'user'), full);
  t.deepEqual(changeClaims(full, { name: null, locale: 'en' }, 'user'), {
    given_name: 'Ada',
    family_name: 'Lovelace',
    picture: full.picture,
    locale: 'en',
    zoneinfo: full.zoneinfo,
  });
  const app = { plan: 'team', limits: { a: 1, b: 2 }, list: [1, null] };
  const stored = changeClaims({ name: 'Ada' }, { app }, 'admin');
  t.deepEqual(stored, { name: 'Ada', app });
  t.deepEqual(changeClaims(stored, { app: { limits: { a: null }, list: [2], x: null } }, 'admin'), {
    name: 'Ada',
    app: { plan: 'team', limits: { b: 2 }, list: [2] },
  });
  t.deepEqual(changeClaims(stored, { name: 'Eve' }, 'user'), { name: 'Eve', app }, 'a user keeps app');
  t.is(changeClaims({ name: 'Ada' }, { name: null }, 'user'), null);
  t.is(changeClaims(stored, null, 'admin'), null);
  t.is(changeClaims(null, {}, 'user'), null);
});

test('members of other names, of the administrator alone, and values of other forms are refused', (t) => {
  const wrong: unknown[] = [
    null,
    [],
    'Ada',
    { app: {} },
    { app: null },
    { email: 'a@x.example' },
    { email_verified: true },
    { sub: 'x' },
    { roles: ['admin'] },
    { nickname: null },
    JSON.parse('{"__proto__": {"app": {}}}'),
    { constructor: 'x' },
    { name: 7 },
    { name: '' },
    { name: '  ' },
    { name: { first: 'Ada' } },
    { name: 'x'.repeat(201) },
    ...['\0', '\n', '\r\nBcc: x', '\u202e', '\u2066', '\u2028', '\u0085', '\ud800'].map((one) => ({
      name: `A${one}a`,
    })),
    ...[
      'http://x.example/a.png',
      'javascript:alert(1)',
      'data:image/png;base64,AAAA',
      'https:x.example',
      'https:/x.example',
      'https:\\\\x.example',
      'https://',
      'https:///x',
      'https://user@x.example/',
      'https://user:pass@x.example/',
      'https://x.example/\n',
      ' https://x.example/',
      'ht\ttps://x.example/',
      'https://x.example/"onerror=',
      'https://x.example/<script>',
      'https://[::1',
      'https://bücher.example/',
      `https://x.example/${'a'.repeat(2000)}`,
      '//x.example/a.png',
      '',
    ].map((picture) => ({ picture })),
    ...['de_CH', 'german language', 'x', '', '../..', 'de-', 7, `de${'-abcdefgh'.repeat(8)}`].map(
      (locale) => ({ locale }),
    ),
    ...['Mars/Base', '+02:00', '', 'Europe/Zurich\n', '../etc/passwd', 'EUROPE', 1].map((zoneinfo) => ({
      zoneinfo,
    })),
  ];
  for (const patch of wrong)
    t.throws(() => changeClaims(full, patch, 'user'), { code: 'invalid_claims' }, JSON.stringify(patch));
  for (const patch of [{ app: [] }, { app: 'x' }, { email: 'a@x.example' }])
    t.throws(() => changeClaims(full, patch, 'admin'), { code: 'invalid_claims' }, JSON.stringify(patch));
});

test('a refusal names the member and repeats nothing of it', (t) => {
  const error = t.throws(() => changeClaims(null, { picture: 'http://secret.example/' }, 'user'));
  t.is(
    error?.message,
    'claims.picture: must be the URL of a picture, with https and without user or password',
  );
});

test('the result has at most 4 KiB, counted in bytes, however it is reached', (t) => {
  const sized = (bytes: number) => ({ app: { x: 'a'.repeat(bytes - '{"app":{"x":""}}'.length) } });
  t.deepEqual(changeClaims(null, sized(mostClaimBytes), 'admin'), sized(mostClaimBytes));
  t.throws(() => changeClaims(null, sized(mostClaimBytes + 1), 'admin'), { code: 'invalid_claims' });
  t.throws(() => changeClaims(sized(mostClaimBytes), { name: 'A' }, 'user'), { code: 'invalid_claims' });
  t.throws(() => changeClaims(null, { app: { x: 'é'.repeat(2_100) } }, 'admin'), { code: 'invalid_claims' });
  const deep = JSON.parse(`{"app":{"x":${'['.repeat(2_000)}${']'.repeat(2_000)}}}`);
  t.throws(() => changeClaims(null, deep, 'admin'), { code: 'invalid_claims' });
  const polluted = changeClaims(null, JSON.parse('{"app":{"__proto__":{"admin":true}}}'), 'admin');
  t.is(Object.getPrototypeOf(polluted?.app), Object.prototype);
  t.deepEqual(polluted, { app: {} });
});

test('names of people are kept as they write them', (t) => {
  for (const name of ["D'Arcy O’Neill-Müller", 'محمد', '李小龍', 'می\u200cخواهم', 'Zoë 👩‍💻', '<b>Ada</b>'])
    t.deepEqual(changeClaims(null, { name: ` ${name}\t` }, 'user'), { name });
});
