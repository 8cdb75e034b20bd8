// Imports of users that exist already: from an earlier run, from an earlier line, or from another import.
import type { ExecutionContext } from 'ava';
import { changeUserStatus } from '../../../src/core/actions/user_status.ts';
import { authenticate } from '../../../src/core/passwords/credentials.ts';
import { updateUser } from '../../../src/core/users/user_changes.ts';
import { findUserByLogin } from '../../../src/core/users/users.ts';
import { newId } from '../../../src/lib/ids.ts';
import { password } from '../../helpers/builders.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { countRows, openDatabases } from '../../helpers/tables.ts';
import { bcrypt, importAll, pbkdf2, reasonsOf, type Total } from '../../helpers/user_imports.ts';

testOnStores('a second run finds that all users exist and changes none', async (t, { db }) => {
  const file = [
    ...Array.from({ length: 1_100 }, (_, i) => ({ username: `user${i}`, password_hash: bcrypt })),
    { username: 'mail', email: 'mail@example.com', password_hash: pbkdf2 },
    { username: 'without' },
  ];
  t.deepEqual(await importAll(db, file), { lines: 1_102, imported: 1_102, present: 0, refused: [] });
  await authenticate(db, await findUserByLogin(db, 'user7'), password);
  const before = await db('users').orderBy('id');
  t.deepEqual(await importAll(db, file), { lines: 1_102, imported: 0, present: 1_102, refused: [] });
  t.deepEqual(await db('users').orderBy('id'), before);
});

testOnStores(
  'names that repeat within the file are one user, or the later line is refused',
  async (t, { db }) => {
    const ada = { username: 'ada', email: 'ada@example.com', password_hash: bcrypt };
    const far = Array.from({ length: 600 }, (_, i) => ({ username: `user${i}` }));
    const repeated = [
      ada,
      ada,
      { ...ada, username: 'ADA', email: 'ADA@example.com' },
      { ...ada, password_hash: pbkdf2 },
      { ...ada, email: 'other@example.com' },
      { ...ada, username: 'eve' },
    ];
    const { refused, ...totals } = await importAll(db, [...repeated, ...far, ...repeated]);
    t.deepEqual(totals, { lines: 612, imported: 601, present: 5 });
    const again = (line: number) => [
      [line + 3, 'username_taken'],
      [line + 4, 'username_taken'],
      [line + 5, 'email_taken'],
    ];
    t.deepEqual<unknown, unknown>(
      refused.map(({ line, reason }) => [line, reason]),
      [...again(1), ...again(607)],
      'both in the same batch and in a later one',
    );
  },
);

testOnStores(
  'a line with an id finds a user who was renamed since and creates no second one',
  async (t, { db }) => {
    const [ada, bob] = [newId(), newId()];
    const file = [
      { id: ada, username: 'ada', email: 'ada@example.com' },
      { id: bob, username: 'bob' },
    ];
    await importAll(db, file);
    await updateUser(db, ada, { email: 'new@example.com' });
    t.deepEqual(await importAll(db, file), { lines: 2, imported: 0, present: 2, refused: [] });
    await updateUser(db, ada, { username: 'lovelace' });
    await changeUserStatus(db, bob, { status: 'deleted', actor: 'admin' });
    t.deepEqual(await reasonsOf(db, file), [
      [1, 'id_taken'],
      [2, 'id_taken'],
    ]);
    t.deepEqual(await reasonsOf(db, [{ id: newId(), username: 'lovelace' }, { username: 'bob' }]), [
      [1, 'username_taken'],
    ]);
    t.is((await findUserByLogin(db, 'bob'))?.id === bob, false, "a deleted user's name is free");
  },
);

testOnStores('two concurrent imports of one file create each user once', async (t, store) => {
  t.timeout(60_000);
  const nodes = await openDatabases(t, store, 2);
  const file = Array.from({ length: 1_500 }, (_, i) => ({
    username: `user${i}`,
    email: `user${i}@example.com`,
    password_hash: bcrypt,
  }));
  const results = await Promise.all(nodes.map((db) => importAll(db, file)));
  assertOneOfEverybody(t, results, file.length);
  const { users, audit_events } = await countRows(store.db);
  t.deepEqual([users, audit_events], [file.length, file.length]);
});

function assertOneOfEverybody(t: ExecutionContext, results: Total[], users: number): void {
  t.deepEqual(
    results.map(({ imported, present, refused }) => [imported + present, refused]),
    results.map(() => [users, []]),
  );
  t.is(
    results.reduce((sum, { imported }) => sum + imported, 0),
    users,
  );
}
