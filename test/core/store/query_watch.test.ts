import test from 'ava';
import { openSession } from '../../../src/core/sessions/open_session.ts';
import { describeQuery, type Query, watchQueries } from '../../../src/core/store/query_watch.ts';
import { makeClient, makeUser, newSession } from '../../helpers/builders.ts';
import { testOnStores } from '../../helpers/stores.ts';

test('a statement is named by its verb and table, and never by its values', (t) => {
  for (const [sql, verb, table] of [
    ['select * from sessions where id = ?', 'select', 'sessions'],
    ['select "id" from "users" where "username_key" = \'from mars\'', 'select', 'users'],
    ['update sessions set generation = 1', 'update', 'sessions'],
    ['insert into `audit_events` (`id`) values (?)', 'insert', 'audit_events'],
    ['delete from revoked_tokens', 'delete', 'revoked_tokens'],
    [
      'with u as (update users set x = 1 returning id) insert into sessions select 1 from u',
      'update',
      'users',
    ],
    ['BEGIN IMMEDIATE;', 'begin', null],
    ['COMMIT;', 'commit', null],
    ['pragma table_info(users)', 'other', null],
  ] as const) {
    t.deepEqual(describeQuery(sql), { verb, table }, sql);
  }
});

testOnStores(
  'the start and end of every statement are reported once, also in transactions',
  async (t, { db }) => {
    const [user, client] = [await makeUser(db), await makeClient(db)];
    const seen: Query[] = [];
    const ended: boolean[] = [];
    watchQueries(db, (query) => {
      seen.push(query);
      return (failed) => ended.push(failed);
    });
    await openSession(db, newSession(user, client));
    await db.transaction(async (tx) => await tx('devices').select('id'));
    await t.throwsAsync(db('devices').select('no_such_column'));
    t.is(seen.filter(({ table }) => table === 'devices').length, 2);
    t.is(ended.length, seen.length);
    t.is(ended.filter((failed) => failed).length, 1);
  },
);
