// The migrations that brought users without a username, verified addresses, one-time codes and the outbox: taken back and run again, or
// broken off and repeated, they keep every user and session, on the older schema and on this one.
import { fileURLToPath } from 'node:url';
import type { Knex } from 'knex';
import { migrate } from '../../../src/core/store/migrate.ts';
import { findUserByLogin, type User } from '../../../src/core/users/users.ts';
import { makeUser, openTestSession } from '../../helpers/builders.ts';
import { testOnStores } from '../../helpers/stores.ts';

const folder = {
  directory: fileURLToPath(new URL('../../../migrations', import.meta.url)),
  loadExtensions: ['.ts'],
};
const names = [
  '019_outbox.ts',
  '020_people.ts',
  '021_claims_and_caps.ts',
  '022_push_tokens.ts',
  '023_older_nodes.ts',
  '024_outbox_expires.ts',
];

/** The names by which users log in, their sessions, and the indexes that keep the names apart. */
async function state(db: Knex) {
  return {
    users: await db('users')
      .orderBy('id')
      .select('id', 'username', 'username_key', 'email', 'email_key', 'password_hash', 'roles', 'status'),
    sessions: await db('sessions').orderBy('id').select('id', 'user_id', 'client_id'),
    indexes: await indexesOf(db),
  };
}

async function indexesOf(db: Knex): Promise<string[]> {
  const found: { name: string }[] = await (db.client.config.client === 'pg'
    ? db('pg_indexes').where({ tablename: 'users' }).select('indexname as name')
    : db('sqlite_master').where({ type: 'index', tbl_name: 'users' }).select('name'));
  return found.map(({ name }) => name).toSorted();
}

async function fill(db: Knex): Promise<User> {
  const user = await makeUser(db, { username: 'Ada', email: 'Ada@example.com', email_verified: true });
  await openTestSession(db, { user });
  const deleted = await makeUser(db, {});
  await db('users').where({ id: deleted.id }).update({ status: 'deleted', username: '', username_key: '' });
  return user;
}

testOnStores(
  'taken back and run again, every address is one that nobody has proved',
  async (t, { db, url }) => {
    const { id } = await fill(db);
    const before = await state(db);
    for (const name of names.toReversed()) await db.migrate.down({ ...folder, name });
    t.false(await db.schema.hasTable('one_time_codes'));
    const { indexes, ...earlier } = await state(db);
    t.deepEqual({ ...earlier, indexes }, before);
    // As a node of the previous version writes.
    await db('users').where({ id }).update({ last_login_at: null });
    t.deepEqual(await migrate(url), names);
    t.deepEqual(await state(db), before);
    const user = await findUserByLogin(db, 'ada@EXAMPLE.com');
    t.deepEqual(
      [user?.id, user?.email_verified_at, user?.code_version, user?.password_use],
      [id, null, 0, null],
      'it logs in, and counts for nothing else',
    );
    await t.throwsAsync(makeUser(db, { username: 'ADA' }), { message: /taken/ });
  },
);

testOnStores('a migration that was broken off is repeated and changes nothing', async (t, { db, url }) => {
  const { id } = await fill(db);
  const before = await state(db);
  // The others run in one transaction.
  const repeatable = names.slice(1, -1);
  for (const broken of [...repeatable.map((name) => [name]), repeatable]) {
    await db('knex_migrations').whereIn('name', broken).delete();
    t.deepEqual(await migrate(url), broken);
    t.deepEqual(await state(db), before);
  }
  const user = await findUserByLogin(db, 'ada');
  t.not(user?.email_verified_at, null, 'what was proved since stays so');
  // The newest of them works after all that: an older node changes a password.
  await db('users').where({ id }).update({ password_hash: 'other' }).increment('token_version', 1);
  t.is((await findUserByLogin(db, 'ada'))?.code_version, 1);
});

testOnStores('while a user has no username the migration is not taken back', async (t, { db }) => {
  const { id } = await makeUser(db, { email: 'only@example.com' });
  await db('users').where({ id }).update({ username: null, username_key: null });
  for (const name of names.slice(2).toReversed()) await db.migrate.down({ ...folder, name });
  const taken = db.migrate.down({ ...folder, name: '020_people.ts' });
  await t.throwsAsync(taken, { message: /users without a username/ });
  t.true(await db.schema.hasTable('one_time_codes'));
});
