// Statements of one moment on SQLite: they share a transaction, are answered after its commit, and fail by themselves alone.
import test from 'ava';
import { openDatabase } from '../../../src/core/store/db.ts';
import { statement } from '../../../src/core/store/statements.ts';
import { makeClient } from '../../helpers/builders.ts';
import { makeStore } from '../../helpers/stores.ts';

interface Named {
  resource_server: string | null;
}

const rename = statement<Named>(
  'test_group_rename',
  () => 'update clients set resource_server = :name where client_id = :client_id returning resource_server',
);
const find = statement<Named>(
  'test_group_find',
  () => 'select resource_server from clients where client_id = :client_id',
);
const insertAgain = statement(
  'test_group_insert',
  () => 'insert into clients select * from clients where client_id = :client_id',
);

const nameOf = async (found: Promise<Named[]>) => (await found)[0]?.resource_server;

test('of the writes of one moment a failing one fails alone', async (t) => {
  const store = await makeStore('sqlite');
  t.teardown(store.drop);
  const { db } = store;
  const { client_id } = await makeClient(db);
  const outcomes = await Promise.allSettled([
    rename(db, { client_id, name: 'one' }),
    insertAgain(db, { client_id }),
    find(db, { client_id }),
    rename(db, { client_id, name: 'two' }),
    rename(db, { client_id: 'nobody', name: 'three' }),
  ]);
  t.deepEqual(
    outcomes.map((one) => (one.status === 'fulfilled' ? one.value : one.reason.code)),
    [
      [{ resource_server: 'one' }],
      'SQLITE_CONSTRAINT',
      [{ resource_server: null }],
      [{ resource_server: 'two' }],
      [],
    ],
  );
  t.is(await nameOf(find(db, { client_id })), 'two');
});

test('a write is answered when every process sees it, and waits for the transaction of another', async (t) => {
  const store = await makeStore('sqlite');
  t.teardown(store.drop);
  const other = openDatabase(store.url);
  t.teardown(() => other.destroy());
  const { client_id } = await makeClient(store.db);
  const holder = await other.transaction();
  await holder('clients').where({ client_id }).update({ resource_server: 'held' });
  const seen = Array.from({ length: 40 }, async (_, index) => {
    await rename(store.db, { client_id, name: `name ${index}` });
    return await nameOf(find(other, { client_id }));
  });
  await holder.commit();
  for (const [index, name] of (await Promise.all(seen)).entries()) {
    t.true(Number(name?.slice('name '.length)) >= index, `${index}: ${name}`);
  }
});

test('a transaction and the groups beside it do not mix', async (t) => {
  const store = await makeStore('sqlite');
  t.teardown(store.drop);
  const { db } = store;
  const { client_id } = await makeClient(db);
  const refused = db.transaction(async (tx) => {
    await rename(tx, { client_id, name: 'rolled back' });
    throw new Error('refused');
  });
  const renamed = Array.from({ length: 3 }, (_, index) => rename(db, { client_id, name: `beside ${index}` }));
  await t.throwsAsync(refused, { message: 'refused' });
  t.deepEqual((await Promise.all(renamed)).flat().length, 3);
  t.is(await nameOf(find(db, { client_id })), 'beside 2');
});

test('when the transaction of a moment fails, each of its writes fails, and the next moment works', async (t) => {
  const store = await makeStore('sqlite');
  t.teardown(store.drop);
  const { db } = store;
  const { client_id } = await makeClient(db);
  const other = openDatabase(store.url);
  t.teardown(() => other.destroy());
  await db.raw('pragma busy_timeout = 10');
  const holder = await other.transaction();
  const outcomes = await Promise.allSettled([
    rename(db, { client_id, name: 'one' }),
    rename(db, { client_id, name: 'two' }),
    find(db, { client_id }),
  ]);
  t.deepEqual(
    outcomes.map((one) => (one.status === 'fulfilled' ? one.value : one.reason.code)),
    ['SQLITE_BUSY', 'SQLITE_BUSY', [{ resource_server: null }]],
  );
  await holder.rollback();
  t.is(await nameOf(rename(db, { client_id, name: 'three' })), 'three');
});

const insertLong = statement(
  'test_group_insert_long',
  () =>
    `insert into oidc_models (model, id, payload, expires_at) values ('Test', :id, 'x' || hex(zeroblob(200000)), 0)`,
);

test('when the disk is full in the middle of a moment, none of its writes has happened', async (t) => {
  const store = await makeStore('sqlite');
  t.teardown(store.drop);
  const { db } = store;
  const { client_id } = await makeClient(db);
  const [{ page_count }] = await db.raw('pragma page_count');
  await db.raw(`pragma max_page_count = ${page_count + 10}`);
  const outcomes = await Promise.allSettled([
    rename(db, { client_id, name: 'one' }),
    insertLong(db, { id: 'long' }),
    rename(db, { client_id, name: 'two' }),
  ]);
  for (const one of outcomes) t.like(one, { status: 'rejected', reason: { code: 'SQLITE_FULL' } });
  t.is(await nameOf(find(db, { client_id })), null);
  await Promise.all([rename(db, { client_id, name: 'three' }), rename(db, { client_id, name: 'four' })]);
  t.is(await nameOf(find(db, { client_id })), 'four');
});

test('when the commit of a moment fails, none of its writes has happened', async (t) => {
  const store = await makeStore('sqlite');
  t.teardown(store.drop);
  const { db } = store;
  const { client_id } = await makeClient(db);
  await db.raw(
    'create table parts (whole text references clients (client_id) deferrable initially deferred)',
  );
  const insertPart = statement('test_group_part', () => 'insert into parts (whole) values (:whole)');
  const outcomes = await Promise.allSettled([
    rename(db, { client_id, name: 'one' }),
    insertPart(db, { whole: 'nobody' }),
    rename(db, { client_id, name: 'two' }),
  ]);
  for (const one of outcomes) t.like(one, { status: 'rejected', reason: { code: 'SQLITE_CONSTRAINT' } });
  t.is(await nameOf(find(db, { client_id })), null);
  await Promise.all([rename(db, { client_id, name: 'three' }), rename(db, { client_id, name: 'four' })]);
  t.is(await nameOf(find(db, { client_id })), 'four');
});
