// Searches of users: what they find, in which order, and that their pages cover everything once.
import type { Knex } from 'knex';
import { json } from '../../../src/core/store/columns.ts';
import { createUser } from '../../../src/core/users/user_changes.ts';
import { listUsers, type UserSearch } from '../../../src/core/users/user_search.ts';
import { displayName } from '../../../src/core/users/users.ts';
import { newId } from '../../../src/lib/ids.ts';
import { testOnStores } from '../../helpers/stores.ts';

/** The usernames of each page, to the last one. */
async function pagesOf(db: Knex, search: UserSearch): Promise<string[][]> {
  const { users, next } = await listUsers(db, search);
  const names = users.map(displayName);
  return next ? [names, ...(await pagesOf(db, { ...search, after: next }))] : [names];
}

async function add(db: Knex, username: string, email: string | null = null, status = 'active') {
  const { id } = await createUser(db, { username, email });
  if (status !== 'active')
    await db('users')
      .where({ id })
      .update({ status: status as 'banned' });
}

/** Many users at once: `count` rows of `row(n)`. */
async function fill(
  db: Knex,
  count: number,
  row: (n: number) => { name: string; email?: string; status?: string },
) {
  const rows = Array.from({ length: count }, (_, n) => {
    const { name, email = null, status = 'active' } = row(n);
    return {
      ...{ id: newId(), username: name, username_key: name, email, email_key: email },
      ...{ status: status as 'active', roles: json([]), permissions: json([]) },
      ...{ created_at: new Date(), updated_at: new Date() },
    };
  });
  await db.batchInsert('users', rows, 50);
}

testOnStores(
  'a search lists usernames in the order of their code points, then addresses, and nobody twice',
  async (t, { db }) => {
    await add(db, 'ada', 'ada@example.test');
    await add(db, 'ADA-2', 'other@example.test');
    await add(db, 'bob', 'ada.bob@example.test');
    await add(db, 'adä', 'z@example.test');
    await add(db, 'ad', 'adz@example.test');
    await add(db, 'eve', 'eve-ada@example.test');
    const whole = [['ad', 'ada', 'ADA-2', 'adä', 'bob']];
    t.deepEqual(await pagesOf(db, { prefix: 'Ad', limit: 5 }), whole);
    t.deepEqual(await pagesOf(db, { prefix: 'ada', limit: 5 }), [['ada', 'ADA-2', 'bob']]);
    for (const limit of [1, 2, 3, 4]) {
      t.deepEqual((await pagesOf(db, { prefix: 'ad', limit })).flat(), whole.flat(), String(limit));
    }
  },
);

testOnStores(
  'the end of the alphabet and letters of patterns are characters like others',
  async (t, { db }) => {
    const names = [
      'z',
      'zz',
      'z\u{10FFFF}',
      'z\u{10FFFF}a',
      '\u{10FFFF}',
      '\u{10FFFF}b',
      '\ud7ff',
      '\ud7ffa',
      '\ue000',
    ];
    await fill(db, names.length, (n) => ({ name: names[n] ?? '' }));
    await fill(db, 3, (n) => ({ name: ['a%b', 'a_b', 'axb'][n] ?? '' }));
    const cases: Record<string, string[]> = {
      z: ['z', 'zz', 'z\u{10FFFF}', 'z\u{10FFFF}a'],
      Z: ['z', 'zz', 'z\u{10FFFF}', 'z\u{10FFFF}a'],
      'z\u{10FFFF}': ['z\u{10FFFF}', 'z\u{10FFFF}a'],
      '\u{10FFFF}': ['\u{10FFFF}', '\u{10FFFF}b'],
      '\u{10FFFF}\u{10FFFF}': [],
      '\ud7ff': ['\ud7ff', '\ud7ffa'],
      'a%': ['a%b'],
      a_: ['a_b'],
      a: ['a%b', 'a_b', 'axb'],
      'a\0': [],
      '\ud800': [],
    };
    for (const [prefix, expected] of Object.entries(cases)) {
      t.deepEqual((await pagesOf(db, { prefix, limit: 3 })).flat(), expected, JSON.stringify(prefix));
    }
  },
);

testOnStores('a status is listed and searched alone, and deleted users have no name', async (t, { db }) => {
  await add(db, 'ann', 'x@example.test');
  await add(db, 'amy', 'y@example.test', 'banned');
  await add(db, 'bea', 'ant@example.test', 'banned');
  await add(db, 'abe', null, 'disabled');
  await fill(db, 1, () => ({ name: '', status: 'deleted' }));
  const found = async (status: UserSearch['status'], prefix?: string) =>
    (await pagesOf(db, { status, prefix, limit: 1 })).flat();
  t.deepEqual(await found('banned'), ['amy', 'bea']);
  t.deepEqual(await found('banned', 'a'), ['amy', 'bea']);
  t.deepEqual(await found('banned', 'b'), ['bea']);
  t.deepEqual(await found('disabled', 'a'), ['abe']);
  t.deepEqual(await found('active', 'a'), ['ann']);
  t.deepEqual(await found('deleted', 'a'), []);
  t.deepEqual(await found('deleted'), ['']);
  t.deepEqual(await found(undefined, 'a'), ['abe', 'amy', 'ann', 'bea']);
});

testOnStores(
  'users that a page leaves out in great number end it early, and the next page goes on behind them',
  async (t, { db }) => {
    // The addresses of all of these match like their names; only the last one is found by its address alone.
    await fill(db, 1_100, (n) => ({
      name: `u${n}`,
      email: `user${n}@example.test`,
      status: n ? 'banned' : 'active',
    }));
    await add(db, 'last', 'uzzz@example.test');
    const active = await pagesOf(db, { prefix: 'u', status: 'active', limit: 2 });
    t.deepEqual(active.flat(), ['u0', 'last']);
    t.true(active.length > 2, 'some pages are short');
    const all = await pagesOf(db, { prefix: 'u', limit: 200 });
    t.is(new Set(all.flat()).size, 1_101);
    t.is(all.flat().length, 1_101);
    t.deepEqual((await pagesOf(db, { status: 'active', limit: 200 })).flat().toSorted(), ['last', 'u0']);
  },
);
