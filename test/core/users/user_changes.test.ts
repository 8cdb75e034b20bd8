import type { ExecutionContext } from 'ava';
import { changeUserStatus } from '../../../src/core/actions/user_status.ts';
import { raiseTokenVersion, replacePasswordHash, updateUser } from '../../../src/core/users/user_changes.ts';
import { findUser, findUserByLogin } from '../../../src/core/users/users.ts';
import { AppError } from '../../../src/lib/errors.ts';
import { newId } from '../../../src/lib/ids.ts';
import { makeUser } from '../../helpers/builders.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { openDatabases } from '../../helpers/tables.ts';

async function refuses(t: ExecutionContext, work: Promise<unknown>, code: string): Promise<void> {
  const error = await t.throwsAsync(work, { instanceOf: AppError });
  t.is(error?.code as string, code);
}

testOnStores('a look-alike of an existing username or address counts as taken', async (t, { db }) => {
  await makeUser(db, { username: 'alice', email: 'alice@example.com' });
  const bob = await makeUser(db, { username: 'bob', email: 'bob@example.com' });
  for (const username of ['alice', 'ALICE', 'Ａlice', '𝐚lice']) {
    await refuses(t, makeUser(db, { username }), 'username_taken');
    await refuses(t, makeUser(db, { username, email: 'new@example.com' }), 'username_taken');
    await refuses(t, updateUser(db, bob.id, { username, email: 'new@example.com' }), 'username_taken');
  }
  for (const email of ['alice@example.com', 'Alice@EXAMPLE.com', 'ａlice@example.com']) {
    await refuses(t, makeUser(db, { email }), 'email_taken');
    await refuses(t, makeUser(db, { username: 'email', email }), 'email_taken');
    await refuses(t, updateUser(db, bob.id, { username: 'bobby', email }), 'email_taken');
  }
  t.deepEqual(await findUser(db, bob.id), bob);
  t.is((await db('users')).length, 2);
});

testOnStores('of several concurrent creations of one name, one succeeds', async (t, store) => {
  const nodes = await openDatabases(t, store, 3);
  for (const [given, code] of [
    [{ username: 'wanted' }, 'username_taken'],
    [{ email: 'wanted@example.com' }, 'email_taken'],
  ] as const) {
    const tries = await Promise.allSettled(
      Array.from({ length: 9 }, (_, i) => makeUser(nodes[i % nodes.length] ?? store.db, given)),
    );
    const codes = tries.map((one) => (one.status === 'fulfilled' ? 'made' : (one.reason as AppError).code));
    t.deepEqual(codes.toSorted(), ['made', ...Array(8).fill(code)].toSorted());
  }
});

testOnStores(
  'the names of a deleted user can be used again, and its login no longer works',
  async (t, { db }) => {
    const names = { username: 'alice', email: 'alice@example.com' };
    const old = await makeUser(db, names);
    for (const status of ['banned', 'disabled'] as const) {
      await changeUserStatus(db, old.id, { status, actor: 'admin' });
      await refuses(t, makeUser(db, { username: 'Alice' }), 'username_taken');
    }
    await changeUserStatus(db, old.id, { status: 'deleted', actor: 'admin' });
    t.is(await findUserByLogin(db, 'alice'), null);
    t.is(await findUserByLogin(db, 'alice@example.com'), null);
    const heir = await makeUser(db, { username: 'alice' });
    t.is((await findUserByLogin(db, 'ALICE'))?.id, heir.id);
    await refuses(t, changeUserStatus(db, old.id, { status: 'active', actor: 'admin' }), 'user_not_found');
    t.is((await findUser(db, old.id))?.status, 'deleted');
  },
);

testOnStores('an update changes only the members that it contains', async (t, { db }) => {
  const user = await makeUser(db, { username: 'alice', email: 'a@example.com', roles: ['x'] });
  const renamed = await updateUser(db, user.id, { username: 'Alicia', roles: [], tenant_id: 't' });
  const { updated_at, ...rest } = renamed ?? user;
  const { updated_at: before, ...was } = user;
  t.deepEqual(rest, { ...was, username: 'Alicia', username_key: 'alicia', roles: [], tenant_id: 't' });
  t.true(updated_at >= before);
  const without = await updateUser(db, user.id, { email: null });
  t.deepEqual([without?.email, without?.email_key, without?.username], [null, null, 'Alicia']);
  t.is(await updateUser(db, newId(), { tenant_id: 'x' }), null);
});

testOnStores('concurrent increments of one token version are all counted', async (t, store) => {
  const user = await makeUser(store.db);
  const nodes = await openDatabases(t, store, 3);
  await Promise.all(
    nodes.flatMap((node) => [raiseTokenVersion(node, user.id), raiseTokenVersion(node, user.id)]),
  );
  t.is((await findUser(store.db, user.id))?.token_version, 2 * nodes.length);
});

testOnStores(
  'the upgrade of a hash does not overwrite a password that was changed meanwhile',
  async (t, { db }) => {
    const user = await makeUser(db, { password_hash: 'old' });
    await replacePasswordHash(db, user.id, 'old', 'changed');
    await replacePasswordHash(db, user.id, 'old', 'upgraded');
    t.is((await findUser(db, user.id))?.password_hash, 'changed');
  },
);
