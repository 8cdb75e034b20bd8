import { createUser, updateUser } from '../../../src/core/users/user_changes.ts';
import { findUser, findUserByLogin, type User } from '../../../src/core/users/users.ts';
import { newId } from '../../../src/lib/ids.ts';
import { makeUser } from '../../helpers/builders.ts';
import { testOnStores } from '../../helpers/stores.ts';

const at = new Date('2030-01-01T00:00:00.250Z');

testOnStores('a user is stored as given and found by id, username and e-mail address', async (t, { db }) => {
  const user = await createUser(
    db,
    {
      username: 'Ålice',
      email: 'Alice@Example.com',
      password_hash: 'hash',
      roles: ['admin', 'ops'],
      permissions: ['a:read'],
      tenant_id: 't-1',
    },
    at,
  );
  const expected: User = {
    id: user.id,
    username: 'Ålice',
    username_key: 'ålice',
    email: 'Alice@Example.com',
    email_key: 'alice@example.com',
    email_verified_at: null,
    password_hash: 'hash',
    password_use: null,
    status: 'active',
    status_reason: null,
    status_message: null,
    ban_expires_at: null,
    roles: ['admin', 'ops'],
    permissions: ['a:read'],
    tenant_id: 't-1',
    token_version: 0,
    session_epoch: 0,
    code_version: 0,
    claims: null,
    last_login_at: null,
    created_at: at,
    updated_at: at,
  };
  t.deepEqual(user, expected);
  t.deepEqual(await findUser(db, user.id), expected);
  for (const login of ['ålice', 'A\u030aLICE', 'Åｌｉｃｅ', 'ALICE@EXAMPLE.COM', 'alice＠example.com']) {
    t.deepEqual(await findUserByLogin(db, login), expected, login);
  }
});

testOnStores('a text that is no valid name finds no user and never throws', async (t, { db }) => {
  await makeUser(db, { username: 'alice', email: 'alice@example.com' });
  const logins = [
    '',
    '@',
    'alice@',
    'a',
    '%',
    '_lice',
    'alice\0',
    '\0',
    '\ud800',
    "' or 1=1 --",
    'x'.repeat(10_000),
  ];
  for (const login of logins) t.is(await findUserByLogin(db, login), null, JSON.stringify(login));
  t.is(await findUser(db, newId()), null);
});

testOnStores(
  'a row whose address an earlier version stored in Punycode logs in by either spelling',
  async (t, { db }) => {
    const ada = await makeUser(db, { username: 'ada', email: 'ada@plain.example' });
    await db('users')
      .where({ id: ada.id })
      .update({ email: 'ada@xn--bcher-kva.example', email_key: 'ada@xn--bcher-kva.example' });
    for (const login of ['ada@xn--bcher-kva.example', ' Ada@Bücher.EXAMPLE\t', 'ada@bu\u0308cher.example'])
      t.is((await findUserByLogin(db, login))?.id, ada.id, login);
    for (const email of ['ada@bücher.example', 'ada@xn--bcher-kva.example']) {
      const stranger = await makeUser(db);
      await t.throwsAsync(createUser(db, { email }), { code: 'email_taken' });
      await t.throwsAsync(updateUser(db, stranger.id, { email }), { code: 'email_taken' });
    }
    t.is((await updateUser(db, ada.id, { email: 'ada@Bücher.example' }))?.email_key, 'ada@bücher.example');
  },
);

testOnStores(
  'two users whom an earlier version kept apart by spelling each log in by their own',
  async (t, { db }) => {
    const [one, other] = [await makeUser(db), await makeUser(db)];
    for (const [user, email_key] of [
      [one, 'a@bücher.example'],
      [other, 'a@xn--bcher-kva.example'],
    ] as const)
      await db('users').where({ id: user.id }).update({ email: email_key, email_key });
    t.is((await findUserByLogin(db, 'a@bücher.example'))?.id, one.id);
    t.is((await findUserByLogin(db, 'a@xn--bcher-kva.example'))?.id, other.id);
    await db('users').where({ id: one.id }).update({ status: 'deleted' });
    t.is((await findUserByLogin(db, 'a@bücher.example'))?.id, other.id, 'a deleted user has no name');
  },
);
