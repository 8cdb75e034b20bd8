import { registerDevice } from '../../src/core/devices.ts';
import { attemptPassword, userOnDevice } from '../../src/core/login_attempts.ts';
import { findUser } from '../../src/core/users.ts';
import { makeUser, origin, password } from '../helpers/builders.ts';
import { attempt, failTimes, guarded, lockout } from '../helpers/guarded.ts';
import { testOnStores } from '../helpers/stores.ts';

const wrong = 'a wrong password';

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

testOnStores('failures count per address too, and one address does not use up another', async (t, store) => {
  const services = await guarded(t, store, { password: { points: 2, seconds: 3_600 } });
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
