// What a rotation writes to the database: one row, and nothing from which a token can be made.
import test from 'ava';
import { createClient } from '../../../src/core/clients/clients.ts';
import { mintRefreshToken } from '../../../src/core/sessions/refresh_token.ts';
import { openDatabase, rows } from '../../../src/core/store/db.ts';
import { keyring, makeRecord, openTestSession, password, present, secret } from '../../helpers/builders.ts';
import { loadKeys } from '../../helpers/keys.ts';
import { rotate } from '../../helpers/rotate.ts';
import { makeStore, testOnStores } from '../../helpers/stores.ts';
import { dumpText, readTables } from '../../helpers/tables.ts';

testOnStores('a rotation changes five columns of one row', async (t, { db }) => {
  const session = await openTestSession(db);
  await openTestSession(db);
  const before = await readTables(db);
  const from = { ip: '2001:db8::9', user_agent: 'elsewhere', request_id: 'r' };
  await rotate(db, present(session, 0, { source: from }));
  const { sessions: all = [], ...others } = await readTables(db);
  const { sessions: olds = [], ...unchanged } = before;
  t.deepEqual(others, unchanged);
  const changes = olds.map((old) => {
    const now = all.find((row) => row.id === old.id) ?? {};
    return Object.keys(old)
      .filter((name) => JSON.stringify(old[name]) !== JSON.stringify(now[name]))
      .sort();
  });
  t.deepEqual(
    changes.toSorted((a, b) => b.length - a.length),
    [['generation', 'ip', 'last_used_at', 'rotated_at', 'user_agent'], []],
  );
});

testOnStores('a copy of the database contains no usable token or code', async (t, { db }) => {
  const shop = await createClient(db, { first_party: true, client_id: 'shop' });
  const session = await openTestSession(db, { client: shop.client });
  const generations = [0, 1, 2, 3, 4, 5];
  for (const generation of generations.slice(0, 4)) await rotate(db, present(session, generation));
  const strict = await openTestSession(db);
  for (const generation of [0, 1, 0]) await rotate(db, present(strict, generation));
  const [key] = await loadKeys(db);
  await makeRecord(db, 'AuthorizationCode', 'a-code-to-find', { jti: 'a-code-to-find', kind: 'code' }, 60);

  const tokens = generations.map((generation) => mintRefreshToken(keyring, session, generation));
  const tags = tokens.map((token) => Buffer.from(token.slice(4), 'base64url').subarray(21));
  const secretBytes = Buffer.from(secret, 'base64url');
  const sought: unknown[] = [
    ...tokens,
    ...tokens.map((token) => token.slice(4)),
    ...[...tags, secretBytes].flatMap((bytes) =>
      ['hex', 'base64', 'base64url'].map((form) => bytes.toString(form as 'hex')),
    ),
    password,
    secret,
    shop.client_secret,
    key?.private_jwk.d,
    'a-code-to-find',
  ];
  const dump = await dumpText(db);
  t.true(dump.includes(session.salt.toString('hex')), 'the search finds what is there');
  t.true(dump.includes(String(key?.public_jwk.x)));
  t.true(sought.every((value) => typeof value === 'string' && value.length >= 10));
  t.deepEqual(
    sought.filter((value) => dump.includes(String(value))),
    [],
  );
});

test('a rotation is a heap-only update on Postgres, so no index grows', async (t) => {
  const store = await makeStore('postgres');
  t.teardown(store.drop);
  // One connection, so that flushing its statistics counts all updates.
  const db = openDatabase(store.url, { pool: 1 });
  t.teardown(() => db.destroy());
  const sessions = [];
  for (let i = 0; i < 20; i += 1) sessions.push(await openTestSession(db));
  for (let generation = 0; generation < 25; generation += 1) {
    for (const session of sessions) await rotate(db, present(session, generation));
  }
  await db.raw('select pg_stat_force_next_flush()');
  await db.raw('select 1');
  // Other tests hold transactions open on the same Postgres, so old row versions cannot be pruned, and a row without room on its
  // page moves to a new one. An update that stays on its page and is not HOT has touched an index.
  const [figures] = await rows<{ updates: number; hot: number; moved: number }>(
    db,
    `select n_tup_upd as updates, n_tup_hot_upd as hot, n_tup_newpage_upd as moved
     from pg_stat_user_tables where relname = 'sessions'`,
  );
  const { updates = 0, hot = 0, moved = 0 } = figures ?? {};
  t.is(updates, 500);
  t.is(hot, updates - moved);
  t.true(hot > 0, `${hot} of ${updates}`);
});
