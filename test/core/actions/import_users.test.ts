import { maxLineBytes } from '../../../src/core/actions/imported_user.ts';
import { authenticate } from '../../../src/core/passwords/credentials.ts';
import { findUser, findUserByLogin } from '../../../src/core/users/users.ts';
import { newId } from '../../../src/lib/ids.ts';
import { makeUser, password } from '../../helpers/builders.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { bcrypt, importAll, pbkdf2 } from '../../helpers/user_imports.ts';

testOnStores('a user is imported with everything that the line contains', async (t, { db }) => {
  const id = newId();
  const said = {
    id: id.toUpperCase(),
    username: 'Ａda',
    email: 'Ada@Example.com',
    password_hash: bcrypt,
    roles: ['customer'],
    permissions: ['orders:read', 'orders:write'],
    tenant_id: 'acme',
    created_at: '2019-08-07T06:05:04+02:00',
  };
  t.deepEqual(await importAll(db, [said, '', '  ']), { lines: 1, imported: 1, present: 0, refused: [] });
  const { updated_at, ...user } = (await findUser(db, id)) ?? t.fail();
  t.true(Math.abs(updated_at.getTime() - Date.now()) < 600_000);
  t.deepEqual(user, {
    ...user,
    id,
    username: 'Ada',
    username_key: 'ada',
    email: 'Ada@Example.com',
    email_key: 'ada@example.com',
    password_hash: bcrypt,
    roles: ['customer'],
    permissions: ['orders:read', 'orders:write'],
    tenant_id: 'acme',
    status: 'active',
    token_version: 0,
    last_login_at: null,
    created_at: new Date('2019-08-07T04:05:04Z'),
  });
});

testOnStores(
  'what other systems write for no value, and for times, is read as they mean it',
  async (t, { db }) => {
    const none = {
      id: null,
      roles: null,
      permissions: null,
      email: '',
      password_hash: '!eTf5XvYdJXvUQ7kmP7Cw',
    };
    const times = [
      '2019-01-07 15:30:38+00:00',
      '2019-01-07 15:30:38.000+00',
      '2019-01-07T16:30:38+0100',
      1_546_875_038_000,
    ];
    const lines = times.map((created_at, at) => ({ ...none, username: `user-${at}-x`, created_at }));
    const wrong = [1_546_875_038, '2019-01-07', '2019-01-07 15:30:38', '', true].map((created_at) => ({
      username: 'ada',
      created_at,
    }));
    const { refused, ...totals } = await importAll(db, [
      ...lines,
      ...wrong,
      { username: 'ada', is_staff: null },
    ]);
    t.deepEqual(totals, { lines: 10, imported: 4, present: 0 });
    t.deepEqual(
      refused.map(({ reason }) => reason),
      [...wrong.map(() => 'invalid_created_at'), 'unknown_members'],
    );
    for (const { username } of lines) {
      const user = (await findUserByLogin(db, username)) ?? t.fail();
      t.like(user, { email: null, password_hash: null, roles: [], permissions: [] });
      t.is(user.created_at.toISOString(), '2019-01-07T15:30:38.000Z', username);
      t.deepEqual(await authenticate(db, user, ''), { outcome: 'refused' });
    }
  },
);

testOnStores('a username alone is enough; the user then has no password', async (t, { db }) => {
  await importAll(db, [{ username: 'ada' }, { username: 'bob', email: null, password_hash: null }]);
  for (const name of ['ada', 'bob']) {
    const user = (await findUserByLogin(db, name)) ?? t.fail();
    t.deepEqual([user.email, user.password_hash, user.roles, user.tenant_id], [null, null, [], null]);
    t.true(Math.abs(user.created_at.getTime() - Date.now()) < 600_000);
    t.deepEqual(await authenticate(db, user, ''), { outcome: 'refused' });
  }
});

testOnStores(
  'an imported user logs in with the old password, and the hash is replaced',
  async (t, { db }) => {
    await importAll(db, [
      { username: 'ada', password_hash: bcrypt },
      { username: 'bob', password_hash: pbkdf2 },
    ]);
    for (const name of ['ada', 'bob']) {
      t.is((await authenticate(db, await findUserByLogin(db, name), 'wrong')).outcome, 'refused');
      t.is((await authenticate(db, await findUserByLogin(db, name), password)).outcome, 'authenticated');
      t.regex((await findUserByLogin(db, name))?.password_hash ?? '', /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    }
  },
);

testOnStores(
  'a line that cannot be imported is reported with its reason, and the rest is imported',
  async (t, { db }) => {
    await makeUser(db, { username: 'taken', email: 'taken@example.com', password_hash: bcrypt });
    const { refused, ...totals } = await importAll(db, [
      { username: 'first' },
      '{"username": "broken',
      '[]',
      '"first"',
      Buffer.from([0x7b, 0xff, 0x7d]),
      `{"username":"${'x'.repeat(maxLineBytes)}"}`,
      { username: 'ada', status: 'active', token_version: 3 },
      { username: 'a' },
      { username: 'раypal' },
      { email: '' },
      { username: 'ada', email: 'not an address' },
      { username: 'ada', roles: 'admin' },
      { username: 'ada', tenant_id: '\0' },
      { username: 'ada', created_at: 'yesterday' },
      { username: 'ada', id: '42' },
      { username: 'ada', password_hash: '' },
      { username: 'ada', password_hash: 'hunter2' },
      { username: 'ada', password_hash: '$2b$04$short' },
      { username: 'ada', password_hash: bcrypt.replace('$04', '$31') },
      { username: 'TAKEN', password_hash: pbkdf2 },
      { username: 'other', email: 'Taken@example.com' },
      { username: 'last' },
    ]);
    t.deepEqual(totals, { lines: 22, imported: 2, present: 0 });
    t.deepEqual(
      refused.map(({ line, reason }) => [line, reason]),
      [
        [2, 'bad_json'],
        [3, 'not_an_object'],
        [4, 'not_an_object'],
        [5, 'not_utf8'],
        [6, 'line_too_long'],
        [7, 'unknown_members'],
        [8, 'invalid_username'],
        [9, 'invalid_username'],
        [10, 'invalid_username'],
        [11, 'invalid_email'],
        [12, 'invalid_roles'],
        [13, 'invalid_tenant_id'],
        [14, 'invalid_created_at'],
        [15, 'invalid_id'],
        [16, 'unknown_hash_format'],
        [17, 'unknown_hash_format'],
        [18, 'malformed_hash'],
        [19, 'hash_too_costly'],
        [20, 'username_taken'],
        [21, 'email_taken'],
      ],
    );
    t.is(
      refused.find(({ line }) => line === 9)?.detail,
      'username: must not mix letters or digits of different scripts',
    );
    t.notRegex(
      JSON.stringify(refused),
      /hunter2|раypal|not an address/,
      'the report contains nothing from the file',
    );
    t.deepEqual(await db('users').orderBy('username').pluck('username'), ['first', 'last', 'taken']);
  },
);

testOnStores('every imported user is recorded in the audit trail', async (t, { db }) => {
  await importAll(db, [{ username: 'ada' }, { username: 'a' }, { username: 'bob' }]);
  const ids = await db('users').orderBy('username').pluck('id');
  const events = await db('audit_events').orderBy('id');
  t.deepEqual(
    events.map(({ type, user_id, actor, reason }) => [type, user_id, actor, reason]).toSorted(),
    ids.map((id: string) => ['user_created', id, 'admin', 'imported']).toSorted(),
  );
});
