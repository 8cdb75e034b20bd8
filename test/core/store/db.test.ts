import type { Knex } from 'knex';
import { json } from '../../../src/core/store/columns.ts';
import { isUniqueViolation } from '../../../src/core/store/database_errors.ts';
import { rows } from '../../../src/core/store/db.ts';
import { plusSeconds, present } from '../../../src/core/store/sql_time.ts';
import { runChildren } from '../../helpers/child.ts';
import { rowOf } from '../../helpers/rows.ts';
import { testOnStores } from '../../helpers/stores.ts';

const at = new Date('2026-03-01T12:00:00.123Z');

const client = {
  client_id: 'shop',
  metadata: { redirect_uris: ['https://shop.example/cb'], nested: { deep: [1, null, true] } },
  secrets: [{ digest: 'abc', created_at: '2026-01-01T00:00:00.000Z' }],
  first_party: true,
  rotation_profile: 'strict' as const,
  refresh_token_retry_window: 0,
  access_token_ttl: 900,
  session_idle_ttl: null,
  session_absolute_ttl: null,
  scope: 'openid äöü',
  resource_server: null,
  created_at: at,
  updated_at: at,
};

const columns = Object.keys(client);

async function addClient(db: Knex, change: Partial<typeof client> = {}): Promise<typeof client> {
  const row = { ...client, ...change };
  await db('clients').insert({ ...row, metadata: json(row.metadata), secrets: json(row.secrets) });
  return row;
}

testOnStores('dates, booleans and JSON are read as they were written', async (t, { db }) => {
  const shop = await addClient(db);
  const empty = await addClient(db, { client_id: 'empty', first_party: false, secrets: [] });
  t.deepEqual(await db('clients').orderBy('client_id').select(columns), [empty, shop]);
});

testOnStores('a raw statement returns the same rows as a built one', async (t, { db }) => {
  await addClient(db);
  t.deepEqual(
    await rows<Pick<typeof client, 'first_party' | 'secrets' | 'created_at'>>(
      db,
      'select first_party, secrets, created_at from clients where client_id = ?',
      ['shop'],
      { first_party: 'boolean', secrets: 'json', created_at: 'time' },
    ),
    [{ first_party: true, secrets: client.secrets, created_at: at }],
  );
  t.deepEqual(await rows(db, 'select client_id from clients where client_id = :id', { id: 'nobody' }), []);
});

testOnStores('null stays null, and a JSON array stays an array', async (t, { db }) => {
  const ids = ['00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-000000000002'] as const;
  await db('audit_events').insert({ id: ids[0], created_at: at, type: 'user_created', detail: null });
  await db('audit_events').insert({
    id: ids[1],
    created_at: at,
    type: 'user_updated',
    detail: json(['x', ['y']]),
  });
  t.deepEqual(await db('audit_events').orderBy('id').select('detail', 'user_id'), [
    { detail: null, user_id: null },
    { detail: ['x', ['y']], user_id: null },
  ]);
});

testOnStores('RETURNING gives dates and booleans too', async (t, { db }) => {
  await addClient(db);
  t.deepEqual(await db('clients').update({ first_party: false }).returning(['first_party', 'created_at']), [
    { first_party: false, created_at: at },
  ]);
});

testOnStores('counts and big integers are numbers', async (t, { db }) => {
  await db('rate_limits').insert({ key: 'a', points: 1, expire: at.getTime() });
  t.deepEqual(await db('rate_limits').first('expire'), { expire: at.getTime() });
  t.deepEqual(await rows(db, 'select count(*) as n from rate_limits'), [{ n: 1 }]);
});

testOnStores('the present is the current time, and is stored like any date', async (t, { db }) => {
  const before = Date.now();
  await db('revoked_tokens').insert({ jti: 'now', expires_at: present(db) });
  const { expires_at } = await rowOf(db('revoked_tokens').first());
  t.true(expires_at instanceof Date);
  // Postgres and this process read the same clock, at another precision.
  t.true(expires_at.getTime() >= before - 1 && expires_at.getTime() <= Date.now() + 1);
});

testOnStores('the present of a test is the time that the test sets', async (t, { db }) => {
  await db('revoked_tokens').insert({ jti: 'then', expires_at: present(db, at) });
  t.deepEqual(await db('revoked_tokens').first('expires_at'), { expires_at: at });
});

testOnStores('stored dates compare with the present', async (t, { db }) => {
  const minute = 60_000;
  for (const [jti, offset] of Object.entries({ past: -minute, coming: minute })) {
    await db('revoked_tokens').insert({ jti, expires_at: new Date(Date.now() + offset) });
  }
  t.deepEqual(await db('revoked_tokens').where('expires_at', '>', present(db)).select('jti'), [
    { jti: 'coming' },
  ]);
  t.deepEqual(await db('revoked_tokens').where('expires_at', '<=', present(db)).select('jti'), [
    { jti: 'past' },
  ]);
});

testOnStores('a column plus seconds is exactly that much later', async (t, { db }) => {
  await addClient(db, { access_token_ttl: 900 });
  const aliveAt = async (seconds: number) => {
    const end = plusSeconds(db, 'created_at', 'access_token_ttl');
    const now = new Date(at.getTime() + seconds * 1000);
    return (await db('clients').whereRaw(`${end} > ?`, [present(db, now)])).length === 1;
  };
  t.deepEqual([await aliveAt(899), await aliveAt(900), await aliveAt(901)], [true, false, false]);
  t.is(
    (
      await db('clients').whereRaw(`${plusSeconds(db, 'created_at', '?')} = ?`, [
        1,
        new Date(at.getTime() + 1000),
      ])
    ).length,
    1,
  );
});

testOnStores('a violated unique index is distinguished from other failures', async (t, { db }) => {
  await addClient(db);
  t.true(isUniqueViolation(await t.throwsAsync(addClient(db))));
  t.false(isUniqueViolation(await t.throwsAsync(db.raw("update clients set rotation_profile = 'no'"))));
  t.false(isUniqueViolation(await t.throwsAsync(db('nothing').select())));
});

testOnStores('a transaction that throws leaves nothing behind', async (t, { db }) => {
  await t.throwsAsync(
    db.transaction(async (trx) => {
      await addClient(trx);
      throw new Error('changed my mind');
    }),
    { message: 'changed my mind' },
  );
  t.deepEqual(await db('clients').select(), []);
});

const countUp = new URL('children/count_up.ts', import.meta.url);

testOnStores(
  'three processes that read and then write lose no update and never find the database busy',
  async (t, store) => {
    await store.db('rate_limits').insert({ key: 'counter', points: 0 });
    const outcomes = await runChildren(3, countUp, [store.url, '100']);
    t.deepEqual(
      outcomes.map(({ code, stderr }) => ({ code, stderr })),
      outcomes.map(() => ({ code: 0, stderr: '' })),
    );
    t.deepEqual(await store.db('rate_limits').first('points'), { points: 300 });
  },
);
