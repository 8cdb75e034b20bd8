import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import type { RateLimitSettings } from '../../config/rate_limits.ts';
import { registerDevice } from '../../src/core/devices.ts';
import { lockDelay } from '../../src/core/lockout.ts';
import {
  attemptLogin,
  attemptPassword,
  type Guarded,
  type LoginAttempt,
  userOnDevice,
} from '../../src/core/login_attempts.ts';
import { findUser } from '../../src/core/users.ts';
import { AppError } from '../../src/lib/errors.ts';
import { makeUser, origin, password } from '../helpers/builders.ts';
import { makeGuarded } from '../helpers/guarded.ts';
import { makeStore, type Store, testOnStores } from '../helpers/stores.ts';
import { openNodes } from '../helpers/tables.ts';

const lockout = { failures: 3, firstDelay: 60, longestDelay: 900 };
const wrong = 'a wrong password';

/** Counted where a deployment on this store would count. */
function guarded(t: ExecutionContext, store: Store, settings: Partial<RateLimitSettings> = { lockout }) {
  return makeGuarded(t, store.db, {
    store: store.name === 'sqlite' ? 'memory' : 'database',
    ...settings,
  });
}

/** What an attempt comes to, and of a refusal by a limit the seconds to wait. */
async function tryOnce(
  services: Guarded,
  login: string,
  given: string,
  more: Partial<LoginAttempt> = {},
): Promise<[outcome: string, wait: number]> {
  try {
    const all = { login, password: given, client_id: 'app', origin, ...more };
    return [(await attemptLogin(services, all)).outcome, 0];
  } catch (error) {
    if (error instanceof AppError && error.code === 'rate_limited') return ['limited', error.retryAfter ?? 0];
    throw error;
  }
}

async function attempt(...given: Parameters<typeof tryOnce>): Promise<string> {
  return (await tryOnce(...given))[0];
}

async function failTimes(services: Guarded, login: string, times: number): Promise<string[]> {
  const outcomes: string[] = [];
  for (let i = 0; i < times; i += 1) outcomes.push(await attempt(services, login, wrong));
  return outcomes;
}

testOnStores(
  'after too many failures even the right password has to wait, and is not looked at',
  async (t, store) => {
    const services = await guarded(t, store);
    const outdated = '$2b$04$tRfeBdhMJ2Gw1RUUncrYheVZsOvtAIBwBiz0HIkx2.SHh6MwreBiy';
    const { id } = await makeUser(store.db, { username: 'alice', password_hash: outdated });
    t.deepEqual(await failTimes(services, 'alice', 3), ['refused', 'refused', 'refused']);
    t.is(await attempt(services, 'alice', password), 'limited');
    t.is(await attempt(services, 'alice', password, { device_id: 'new' }), 'limited');
    t.is((await findUser(store.db, id))?.password_hash, outdated, 'a right password would have replaced it');
  },
);

testOnStores('a name that nobody has is locked out like any other', async (t, store) => {
  const services = await guarded(t, store);
  await makeUser(store.db, { username: 'alice' });
  await makeUser(store.db, { username: 'no-password', password_hash: null });
  const expected = ['refused', 'refused', 'refused', 'limited', 'limited'];
  for (const login of ['alice', 'nobody', 'no-password', 'nobody@example.com', 'x'.repeat(300)]) {
    t.deepEqual(await failTimes(services, login, 5), expected, login.slice(0, 30));
  }
});

testOnStores(
  'a user is one counter, by whatever name, and for whatever the password is asked',
  async (t, store) => {
    const services = await guarded(t, store);
    const user = await makeUser(store.db, { username: 'alice', email: 'alice@example.com' });
    t.is(await attempt(services, 'ALICE', wrong), 'refused');
    t.is(await attempt(services, 'Alice@Example.com', wrong), 'refused');
    const change = {
      who: userOnDevice(user.id, null),
      user,
      password: wrong,
      event: 'password_change_failed',
      client_id: 'app',
      origin,
    } as const;
    t.is((await attemptPassword(services, change)).outcome, 'refused');
    t.is(await attempt(services, 'alice', password), 'limited');
    await t.throwsAsync(attemptPassword(services, { ...change, password }), { message: /too many/ });
  },
);

testOnStores(
  'a device that has logged in before is not locked out by a stranger, nor he by it',
  async (t, store) => {
    const services = await guarded(t, store);
    const user = await makeUser(store.db, { username: 'alice' });
    const other = await makeUser(store.db, { username: 'other' });
    await registerDevice(store.db, user.id, { device_id: 'phone' });
    await registerDevice(store.db, user.id, { device_id: 'tablet' });
    await registerDevice(store.db, other.id, { device_id: 'laptop' });
    await failTimes(services, 'alice', 3);
    t.is(
      await attempt(services, 'alice', password, { device_id: 'laptop' }),
      'limited',
      "another user's device",
    );
    t.is(await attempt(services, 'alice', password, { device_id: 'phone' }), 'authenticated');
    t.is(await attempt(services, 'alice', password), 'limited', 'a login there does not help the stranger');
    for (let i = 0; i < 3; i += 1) await attempt(services, 'alice', wrong, { device_id: 'phone' });
    t.is(
      await attempt(services, 'alice', password, { device_id: 'phone' }),
      'limited',
      'but it counts for itself',
    );
    t.is(await attempt(services, 'alice', password, { device_id: 'tablet' }), 'authenticated');
  },
);

testOnStores('of many guesses at once no more are looked at than one after the other', async (t, store) => {
  const services = await guarded(t, store);
  await makeUser(store.db, { username: 'alice' });
  const outcomes = await Promise.all(
    Array.from({ length: 30 }, (_, i) => attempt(services, 'alice', i === 29 ? password : wrong)),
  );
  t.deepEqual(
    outcomes.filter((one) => one === 'refused'),
    ['refused', 'refused', 'refused'],
  );
  t.is(outcomes.filter((one) => one === 'limited').length, 27);
});

testOnStores('a right password forgets the failures before it', async (t, store) => {
  const services = await guarded(t, store);
  await makeUser(store.db, { username: 'alice' });
  for (let round = 0; round < 3; round += 1) {
    t.deepEqual(await failTimes(services, 'alice', 2), ['refused', 'refused']);
    t.is(await attempt(services, 'alice', password), 'authenticated', 'the third try is not yet locked');
  }
});

testOnStores('each further failure makes the next wait longer, up to the longest', async (t, store) => {
  t.timeout(60_000);
  const services = await guarded(t, store, { lockout: { failures: 2, firstDelay: 2, longestDelay: 5 } });
  await makeUser(store.db, { username: 'alice' });
  t.is(await attempt(services, 'alice', wrong), 'refused');
  for (const expected of [2, 4, 5, 5]) {
    t.is(await attempt(services, 'alice', wrong), 'refused');
    const [outcome, wait] = await tryOnce(services, 'alice', wrong);
    t.is(outcome, 'limited');
    t.true(wait === expected || wait === expected - 1, `${wait} instead of ${expected} seconds`);
    // Being refused does not count, or waiting would be in vain.
    t.is(await attempt(services, 'alice', password), 'limited');
    await sleep(wait * 1000);
  }
  t.is(await attempt(services, 'alice', password), 'authenticated');
  t.deepEqual(await failTimes(services, 'alice', 2), ['refused', 'refused'], 'and all is forgotten');
});

test('the delay doubles from the first to the longest', (t) => {
  const settings = { failures: 10, firstDelay: 60, longestDelay: 900 };
  const delays = [10, 11, 12, 13, 14, 15, 1_000, 100_000].map((failures) => lockDelay(failures, settings));
  t.deepEqual(delays, [60, 120, 240, 480, 900, 900, 900, 900]);
});

testOnStores('failures count per address too, and one address does not use up another', async (t, store) => {
  const services = await guarded(t, store, { password: { points: 2, seconds: 60 } });
  await makeUser(store.db, { username: 'alice' });
  const elsewhere = { origin: { ...origin, ip: '192.0.2.99' } };
  t.deepEqual(await failTimes(services, 'alice', 2), ['refused', 'refused']);
  t.is(await attempt(services, 'alice', password), 'limited');
  t.is(await attempt(services, 'alice', wrong, elsewhere), 'refused');
  t.is(await attempt(services, 'alice', password, elsewhere), 'authenticated');
  t.is(await attempt(services, 'alice', password, elsewhere), 'authenticated', 'right ones do not count');
  t.is(await attempt(services, 'nobody', wrong), 'refused');
});

testOnStores('what failed stands in the trail, with the user and the reason', async (t, store) => {
  const services = await guarded(t, store);
  const { id: user_id } = await makeUser(store.db, { username: 'alice' });
  await failTimes(services, 'alice', 4);
  await attempt(services, 'nobody', wrong);
  await services.audit.flush();
  const events = await store.db('audit_events').orderBy('id');
  t.deepEqual(
    events.map((one) => [one.type, one.user_id, one.client_id, one.reason, one.ip]),
    [
      ...['wrong_credentials', 'wrong_credentials', 'wrong_credentials', 'rate_limited'].map((reason) => [
        'login_failed',
        user_id,
        'app',
        reason,
        origin.ip,
      ]),
      ['login_failed', null, 'app', 'wrong_credentials', origin.ip],
    ],
  );
});

testOnStores('switched off, nothing is counted', async (t, store) => {
  const services = await guarded(t, store, { store: 'off', lockout: { ...lockout, failures: 1 } });
  await makeUser(store.db, { username: 'alice' });
  await failTimes(services, 'alice', 5);
  t.is(await attempt(services, 'alice', password), 'authenticated');
});

test('nodes that count in Postgres share a lockout, and it outlives them', async (t) => {
  const store = await makeStore('postgres');
  t.teardown(store.drop);
  const nodes = await openNodes(t, store, 2);
  const inDatabase = { store: 'database', lockout };
  const [one, other] = await Promise.all(nodes.map((db) => makeGuarded(t, db, inDatabase)));
  if (!one || !other) throw new Error('there are no two nodes');
  await makeUser(store.db, { username: 'alice' });
  await failTimes(one, 'alice', 2);
  t.is(await attempt(other, 'alice', wrong), 'refused');
  t.is(await attempt(one, 'alice', password), 'limited');
  const restarted = await makeGuarded(t, store.db, inDatabase);
  t.is(await attempt(restarted, 'alice', password), 'limited');
  const keys: string[] = await store.db('rate_limits').pluck('key');
  t.true(keys.length > 0);
  t.deepEqual(
    keys.filter((key) => /alice|192\.0/.test(key)),
    [],
    'who and where are not stored',
  );
});
