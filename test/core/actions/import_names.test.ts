// Names, addresses and profiles of imported users.

import { Readable } from 'node:stream';
import { importUsers } from '../../../src/core/actions/import_users.ts';
import { maxLineBytes } from '../../../src/core/actions/imported_user.ts';
import { findUserByLogin } from '../../../src/core/users/users.ts';
import { splitLines } from '../../../src/lib/split_lines.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { bcrypt, importAll, reasonsOf } from '../../helpers/user_imports.ts';

testOnStores(
  'a username that is an address becomes the address, which nobody has proved',
  async (t, { db }) => {
    const lines = [
      { username: 'Ada@X.example', password_hash: bcrypt },
      { username: 'bob@x.example', email: 'BOB@x.example', email_verified: true },
      { email: 'eve@bücher.example' },
      { username: '', email: 'finn@x.example', email_verified: false },
    ];
    t.deepEqual(await importAll(db, lines), { lines: 4, imported: 4, present: 0, refused: [] });
    const stored = await db('users').orderBy('email_key').select('username', 'email', 'email_verified_at');
    t.deepEqual(
      stored.map(({ username, email, email_verified_at }) => [username, email, email_verified_at !== null]),
      [
        [null, 'Ada@X.example', false],
        [null, 'BOB@x.example', true],
        [null, 'eve@bücher.example', false],
        [null, 'finn@x.example', false],
      ],
    );
    t.truthy(await findUserByLogin(db, 'eve@xn--bcher-kva.example'));
    t.deepEqual(
      await importAll(db, lines),
      { lines: 4, imported: 0, present: 4, refused: [] },
      'a second run',
    );
  },
);

testOnStores(
  'lines without a name, with two addresses, or with a name that nobody can see are refused',
  async (t, { db }) => {
    await importAll(db, [{ email: 'ada@bücher.example', password_hash: bcrypt }]);
    t.deepEqual(
      await reasonsOf(db, [
        { email_verified: true },
        { username: '', email: '' },
        { username: 'a@x.example', email: 'b@x.example' },
        { username: 'a@nowhere' },
        { username: 'a\u00adb' },
        { email: 'a\u200f@x.example' },
        { email: 'a@x.example\u0000' },
        { email: '"a"@x.example' },
        { username: 'ada@xn--bcher-kva.example' },
        { username: 'bob', email: 'ada@xn--bcher-kva.example' },
        { username: 'bob', email_verified: 'yes' },
        { username: 'bob', claims: { email: 'x' } },
        { username: 'bob', claims: { app: { big: 'x'.repeat(5_000) } } },
        `{"username":"bob","claims":{"app":{"x":${'['.repeat(9_000)}${']'.repeat(9_000)}}}}`,
      ]),
      [
        [1, 'invalid_username'],
        [2, 'invalid_username'],
        [3, 'invalid_username'],
        [4, 'invalid_username'],
        [5, 'invalid_username'],
        [6, 'invalid_email'],
        [7, 'invalid_email'],
        [8, 'invalid_email'],
        [9, 'email_taken'],
        [10, 'email_taken'],
        [11, 'invalid_email_verified'],
        [12, 'invalid_claims'],
        [13, 'invalid_claims'],
        [14, 'invalid_claims'],
      ],
    );
  },
);

testOnStores('an imported profile has app beside the standard members', async (t, { db }) => {
  const claims = { name: 'Ada', zoneinfo: 'Europe/Zurich', app: { plan: 'team' } };
  await importAll(db, [
    { username: 'ada', claims },
    { username: 'bob', claims: null },
  ]);
  t.deepEqual((await findUserByLogin(db, 'ada'))?.claims, claims);
  t.is((await findUserByLogin(db, 'bob'))?.claims, null);
});

testOnStores(
  'the operator can vouch for all addresses of an import, which the trail says',
  async (t, { db }) => {
    const file =
      '{"username":"ada@x.example"}\n{"username":"bob","email":"bob@x.example","email_verified":false}\n{"username":"eve"}\n';
    const lines = splitLines(Readable.from([Buffer.from(file)]), maxLineBytes);
    for await (const _batch of importUsers({ db, trustAddresses: true }, lines));
    const users = await db('users').orderBy('id').select('email', 'email_verified_at');
    t.deepEqual(
      users.map(({ email, email_verified_at }) => [email, email_verified_at !== null]).toSorted(),
      [
        ['ada@x.example', true],
        ['bob@x.example', true],
        [null, false],
      ].toSorted(),
    );
    const events = await db('audit_events').where({ type: 'addresses_trusted' });
    t.deepEqual(
      events.map(({ actor, reason, detail }) => ({ actor, reason, detail })),
      [{ actor: 'admin', reason: 'imported', detail: { users: 3 } }],
    );
  },
);
