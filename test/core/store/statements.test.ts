// Statements that are prepared once a connection: what they give, in which form, and what a failing one leaves behind.
import test from 'ava';
import pg from 'pg';
import type { Columns } from '../../../src/core/store/columns.ts';
import { openDatabase } from '../../../src/core/store/db.ts';
import { statement } from '../../../src/core/store/statements.ts';
import { makeClient } from '../../helpers/builders.ts';
import { makeStore, testOnStores } from '../../helpers/stores.ts';

interface Row {
  client_id: string;
  created_at: Date;
  first_party: boolean;
}

const columns = { created_at: 'time', first_party: 'boolean' } as const satisfies Columns<Row>;

const sql = 'select client_id, created_at, first_party from clients where client_id = :client_id';
const find = statement<Row>('test_find', () => sql, columns);
const findWritten = statement<Row>({ name: 'test_find_written', isoTimes: true }, () => sql, columns);

const times = [
  '2026-03-01T12:00:00.123Z',
  '2026-03-01T12:00:00.120Z',
  '2026-03-01T12:00:00.000Z',
  '1969-12-31T23:59:59.999Z',
  '0999-01-01T00:00:00.000Z',
  '9999-12-31T23:59:59.999Z',
];

testOnStores('a time is returned as a Date, or as the text of a Date', async (t, { db }) => {
  const { client_id } = await makeClient(db);
  for (const time of times) {
    await db('clients')
      .where({ client_id })
      .update({ created_at: new Date(time) });
    t.deepEqual(await find(db, { client_id }), [
      { client_id, created_at: new Date(time), first_party: true },
    ]);
    const written = [{ client_id, created_at: time, first_party: true }];
    t.deepEqual(await findWritten(db, { client_id }), written);
    await db.transaction(async (tx) => {
      t.deepEqual(await findWritten(tx, { client_id }), written);
    });
  }
  t.deepEqual(await find(db, { client_id: 'nobody' }), []);
});

testOnStores('a time is the same in any time zone of the database', async (t, { db, name, url }) => {
  const { client_id } = await makeClient(db);
  await db('clients')
    .where({ client_id })
    .update({ created_at: new Date('2026-03-01T12:00:00.120Z') });
  const zone = name === 'postgres' ? '?options=-c%20TimeZone%3DAsia/Kolkata' : '';
  const elsewhere = openDatabase(url + zone);
  try {
    const [written] = await findWritten(elsewhere, { client_id });
    t.is(written?.created_at, '2026-03-01T12:00:00.120Z');
  } finally {
    await elsewhere.destroy();
  }
});

const divide = statement<{ quotient: number }>(
  'test_divide',
  () => 'select 12 / cast(:by as int) as quotient',
);
const nameNothing = statement('test_nothing', () => 'select :nothing as x from no_such_table');

testOnStores(
  'a failed statement affects neither its connection nor the next statement',
  async (t, { db, name }) => {
    if (name === 'postgres') await t.throwsAsync(divide(db, { by: 0 }), { code: '22012' });
    await t.throwsAsync(nameNothing(db, { nothing: 'x' }), { message: /no_such_table/ });
    await t.throwsAsync(
      nameNothing(db, { nothing: 'x' }),
      { message: /no_such_table/ },
      'nor is it prepared',
    );
    const all = await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        if (index % 3 === 0) return await nameNothing(db, { nothing: 'x' }).then(String, () => 'failed');
        if (index % 3 === 1 && name === 'postgres') return await divide(db, { by: 0 }).catch(() => 'failed');
        return (await divide(db, { by: (index % 4) + 1 }))[0]?.quotient;
      }),
    );
    for (const [index, found] of all.entries()) {
      const fails = index % 3 === 0 || (index % 3 === 1 && name === 'postgres');
      t.is(found as unknown, fails ? 'failed' : 12 / ((index % 4) + 1), String(index));
    }
  },
);

test('an error thrown by a reader fails its statement and no other', async (t) => {
  const store = await makeStore('postgres');
  t.teardown(store.drop);
  const { builtins, getTypeParser, setTypeParser } = pg.types;
  const usual = getTypeParser(builtins.MACADDR);
  setTypeParser(builtins.MACADDR, () => {
    throw new Error('unreadable');
  });
  t.teardown(() => setTypeParser(builtins.MACADDR, usual));
  const ask = statement(
    'test_unreadable',
    () => 'select cast(:address as macaddr) as yes from (values (1), (2)) as two',
  );
  await t.throwsAsync(ask(store.db, { address: '08:00:2b:01:02:03' }), { message: 'unreadable' });
  t.is((await divide(store.db, { by: 3 }))[0]?.quotient, 4);
});
