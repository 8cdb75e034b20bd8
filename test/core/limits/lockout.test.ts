import test from 'ava';
import { makeUser, password } from '../../helpers/builders.ts';
import {
  attempt,
  failTimes,
  lockout,
  openLoginDeps,
  openStoreLoginDeps,
  tryOnce,
} from '../../helpers/password_attempts.ts';
import { makeStore, testOnStores } from '../../helpers/stores.ts';
import { openDatabases } from '../../helpers/tables.ts';

const wrong = 'a wrong password';

testOnStores('concurrent guesses are limited like sequential ones', async (t, store) => {
  const deps = await openStoreLoginDeps(t, store);
  await makeUser(store.db, { username: 'alice' });
  const outcomes = await Promise.all(
    Array.from({ length: 30 }, (_, i) => attempt(deps, 'alice', i === 29 ? password : wrong)),
  );
  t.deepEqual(
    outcomes.filter((one) => one === 'refused'),
    ['refused', 'refused', 'refused'],
  );
  t.is(outcomes.filter((one) => one === 'limited').length, 27);
});

// On a known device it does (login_attempts.test.ts): what a stranger cannot see there tells nothing.
testOnStores(
  'a right password does not count as a failure, and clears no failures of a name',
  async (t, store) => {
    const deps = await openStoreLoginDeps(t, store);
    await makeUser(store.db, { username: 'alice' });
    t.deepEqual(await failTimes(deps, 'alice', 2), ['refused', 'refused']);
    for (let i = 0; i < 3; i += 1)
      t.is(await attempt(deps, 'alice', password), 'authenticated', 'the third try is not yet locked');
    t.deepEqual(await failTimes(deps, 'alice', 2), ['refused', 'limited']);
  },
);

test('in Postgres, too, each further failure makes the next wait longer', async (t) => {
  const store = await makeStore('postgres');
  t.teardown(store.drop);
  const deps = await openLoginDeps(t, store.db, { store: 'database', lockout });
  await makeUser(store.db, { username: 'alice' });
  await failTimes(deps, 'alice', 2);
  for (const expected of [600, 1_200, 2_400, 4_800, 9_000, 9_000]) {
    t.is(await attempt(deps, 'alice', wrong), 'refused');
    const [outcome, wait] = await tryOnce(deps, 'alice', wrong);
    t.is(outcome, 'limited');
    // A busy machine takes some of it.
    t.true(wait <= expected && wait > expected - 300, `${wait} instead of ${expected} seconds`);
    // Being refused does not count, or waiting would be in vain.
    t.is(await attempt(deps, 'alice', password), 'limited');
    await store.db('rate_limits').where('key', 'like', 'lock:%').update({ expire: Date.now() });
  }
  t.is(await attempt(deps, 'alice', password), 'authenticated');
  const [, wait] = await tryOnce(deps, 'alice', password);
  t.is(wait, 0, 'the lock that a right password set is taken away');
  t.deepEqual(await failTimes(deps, 'alice', 2), ['refused', 'limited']);
});

test('nodes that count in Postgres share a lockout, which survives their restart', async (t) => {
  const store = await makeStore('postgres');
  t.teardown(store.drop);
  const nodes = await openDatabases(t, store, 2);
  const inDatabase = { store: 'database', lockout };
  const [one, other] = await Promise.all(nodes.map((db) => openLoginDeps(t, db, inDatabase)));
  if (!one || !other) throw new Error('there are no two nodes');
  await makeUser(store.db, { username: 'alice' });
  await failTimes(one, 'alice', 2);
  t.is(await attempt(other, 'alice', wrong), 'refused');
  t.is(await attempt(one, 'alice', password), 'limited');
  const restarted = await openLoginDeps(t, store.db, inDatabase);
  t.is(await attempt(restarted, 'alice', password), 'limited');
  const keys: string[] = await store.db('rate_limits').pluck('key');
  t.true(keys.length > 0);
  t.deepEqual(
    keys.filter((key) => /alice|192\.0/.test(key)),
    [],
    'who and where are not stored',
  );
});
