// Statements that are asked for at once and share a connection: each gets its own answer, and fails by itself alone.
import test, { type ExecutionContext } from 'ava';
import type { Knex } from 'knex';
import { isUnavailable } from '../../../src/core/store/database_errors.ts';
import { type Db, openDatabase } from '../../../src/core/store/db.ts';
import { localCommitSql, localCommitTable } from '../../../src/core/store/local_commit.ts';
import { statement } from '../../../src/core/store/statements.ts';
import { makeClient } from '../../helpers/builders.ts';
import { rowOf } from '../../helpers/rows.ts';
import { makeStore } from '../../helpers/stores.ts';
import { until } from '../../helpers/until.ts';

async function openStore(t: ExecutionContext): Promise<Knex> {
  const { url, drop } = await makeStore('postgres');
  const db = openDatabase(url, { pool: 6 });
  t.teardown(async () => {
    await db.destroy();
    await drop();
  });
  return db;
}

interface Answer {
  number: number;
  pid: number;
}

const whoAmI = 'select cast(:number as int) as number, pg_backend_pid() as pid';
const ask = statement<Answer>('test_ask', () => whoAmI);
const askOtherwise = statement<Answer>('test_ask_otherwise', () => `${whoAmI}, 'otherwise' as how`);
const askLong = statement<Answer>({ name: 'test_ask_long', alone: true }, () => whoAmI);
const divide = statement<Answer>('test_divide_by', () => 'select 12 / cast(:number as int) as number');
const nameNothing = statement('test_name_nothing', () => 'select :number as number from no_such_table');
const rename = statement<{ name: string }>(
  'test_rename',
  () =>
    'update clients set resource_server = :name where client_id = :client_id returning resource_server as name',
);
const doze = statement('test_doze', () => 'select pg_sleep(cast(:seconds as float))');

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);

async function askAll(db: Knex, count: number): Promise<Answer[]> {
  return (await Promise.all(upTo(count).map((number) => ask(db, { number })))).flat();
}

const pidsOf = (answers: Answer[]) => new Set(answers.map(({ pid }) => pid));

test('concurrent statements share a connection, eight at a time, and their answers do not mix', async (t) => {
  const db = await openStore(t);
  t.is(pidsOf(await askAll(db, 8)).size, 1, 'not yet prepared');
  t.is(pidsOf(await askAll(db, 8)).size, 1, 'prepared');
  for (const round of [1, 2, 3]) {
    const answers = await askAll(db, 40);
    t.deepEqual(
      answers.map(({ number }) => number),
      upTo(40),
      `round ${round}`,
    );
    for (const from of [0, 8, 16, 24, 32]) t.is(pidsOf(answers.slice(from, from + 8)).size, 1);
  }
  // Two connections are open, so that neither has to wait for the other.
  for (const holder of await Promise.all([db.transaction(), db.transaction()])) await holder.rollback();
  const [[one], [other], [long]] = await Promise.all([
    ask(db, { number: 1 }),
    askOtherwise(db, { number: 2 }),
    askLong(db, { number: 3 }),
  ]);
  t.deepEqual([one?.number, other?.number, long?.number], [1, 2, 3]);
  t.is(one?.pid, other?.pid);
  t.not(one?.pid, long?.pid, 'nobody waits for a long one');
});

test('each statement fails by itself: in its preparation, in its execution, in its values', async (t) => {
  const db = await openStore(t);
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  // The second time, what can be prepared is.
  for (const _ of ['first', 'second']) {
    const outcomes = await Promise.allSettled([
      nameNothing(db, { number: 1 }),
      divide(db, { number: 0 }),
      divide(db, { number: 3 }),
      ask(db, { number: circular }),
      nameNothing(db, { number: 2 }),
      ask(db, { number: 5 }),
      ask(db, { number: 'no number' }),
      divide(db, { number: 4 }),
    ]);
    t.deepEqual(
      outcomes.map((one) =>
        one.status === 'rejected'
          ? (one.reason.code ?? one.reason.name)
          : (one.value[0] as Answer | undefined)?.number,
      ),
      ['42P01', '22012', 4, 'TypeError', '42P01', 5, '22P02', 3],
    );
  }
});

test('each statement is a transaction of its own: those before a failed one stay committed', async (t) => {
  const db = await openStore(t);
  const { client_id } = await makeClient(db);
  await Promise.allSettled([
    rename(db, { client_id, name: 'before' }),
    divide(db, { number: 0 }),
    divide(db, { number: 0 }),
  ]);
  t.is((await rowOf(db('clients').where({ client_id }).first())).resource_server, 'before');
});

test('a statement that waits for a lock delays only the seven others of its group', async (t) => {
  const db = await openStore(t);
  const { client_id } = await makeClient(db);
  const holder = await db.transaction();
  t.teardown(() => holder.rollback());
  await holder('clients').where({ client_id }).update({ resource_server: 'held' });
  let isOver = false;
  const renaming = rename(db, { client_id, name: 'later' });
  const seven = askAll(db, 7);
  const together = Promise.all([renaming, seven]).finally(() => {
    isOver = true;
  });
  const [ninth] = await ask(db, { number: 9 });
  t.is(ninth?.number, 9);
  t.is((await askAll(db, 16)).length, 16);
  t.false(isOver);
  await holder.commit();
  const [[renamed], answers] = await together;
  t.is(renamed?.name, 'later');
  t.is(pidsOf(answers).size, 1);
});

test('a broken connection fails the statements on it, and the next ones use another', async (t) => {
  const db = await openStore(t);
  // Prepared statements share a connection.
  await doze(db, { seconds: 0 });
  await ask(db, { number: 1 });
  const onIt = Promise.allSettled([
    doze(db, { seconds: 60 }),
    ask(db, { number: 2 }),
    ask(db, { number: 3 }),
  ]);
  // By what it waits for: the connection of this question is active too.
  const findDozing = () =>
    db('pg_stat_activity')
      .where({ wait_event: 'PgSleep' })
      .whereRaw('datname = current_database()')
      .first<{ pid: number } | undefined>('pid');
  const { pid } = await until(findDozing, 'it dozes');
  await db.raw('select pg_terminate_backend(?)', [pid]);
  for (const outcome of await onIt) {
    t.is(outcome.status, 'rejected');
    t.true(outcome.status === 'rejected' && isUnavailable(outcome.reason));
  }
  t.is((await askAll(db, 20)).length, 20);
});

test('without a free connection all statements fail, and later ones find a connection again', async (t) => {
  const db = await openStore(t);
  const holders = await Promise.all(upTo(6).map(() => db.transaction()));
  const outcomes = await Promise.allSettled([ask(db, { number: 1 }), ask(db, { number: 2 })]);
  for (const outcome of outcomes) {
    t.true(outcome.status === 'rejected' && isUnavailable(outcome.reason));
  }
  await Promise.all(holders.map((one) => one.rollback()));
  t.is((await askAll(db, 3)).length, 3);
});

const whereAmI = (db: Db) =>
  `select cast(:number as int) as number, pg_backend_pid() as pid${localCommitSql(db)}`;
const askLocally = statement<Answer>({ name: 'test_ask_locally', commit: 'local' }, whereAmI);

test('a statement that waits delays none that commits locally', async (t) => {
  const db = await openStore(t);
  const { client_id } = await makeClient(db);
  const holder = await db.transaction();
  t.teardown(() => holder.rollback());
  await holder('clients').where({ client_id }).update({ resource_server: 'held' });
  const renaming = rename(db, { client_id, name: 'later' });
  const [local] = await Promise.all(upTo(8).map((number) => askLocally(db, { number })));
  t.deepEqual(Object.keys(local?.[0] ?? {}), ['number', 'pid'], 'the setting is no part of the row');
  await holder.commit();
  t.is((await renaming)[0]?.name, 'later');
});

const readSetting = statement<{ value: string }>(
  { name: 'test_read_setting', commit: 'local' },
  () => `select current_setting('synchronous_commit') as value`,
);

test('a statement that commits locally leaves the setting of its connection as it was', async (t) => {
  const store = await makeStore('postgres');
  t.teardown(store.drop);
  for (const value of ['on', 'off']) {
    const db = openDatabase(`${store.url}?options=-c%20synchronous_commit%3D${value}`, { pool: 1 });
    const settingAfter = statement<{ after: string }>(
      { name: `test_setting_${value}`, commit: 'local' },
      (given) =>
        `select current_setting('synchronous_commit') as after from (select 1) as one${localCommitTable(given)}`,
    );
    await settingAfter(db, {});
    t.deepEqual(await readSetting(db, {}), [{ value }]);
    await db.transaction(async (tx) => {
      await settingAfter(tx, {});
      await tx.raw(whereAmI(tx), { number: 1 });
      t.deepEqual(await readSetting(tx, {}), [{ value }], 'a transaction waits as a whole');
    });
    await db.destroy();
  }
});
