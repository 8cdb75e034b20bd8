import { attemptPassword, onKnownDevice } from '../../../src/core/passwords/login_attempts.ts';
import { registerDevice } from '../../../src/core/users/devices.ts';
import {
  newDeviceSecret,
  registerKnownDevice,
  rememberBrowser,
} from '../../../src/core/users/known_devices.ts';
import { findUser, type User } from '../../../src/core/users/users.ts';
import { newId } from '../../../src/lib/ids.ts';
import { makeUser, password, source } from '../../helpers/builders.ts';
import { attempt, failTimes, lockout, openStoreLoginDeps } from '../../helpers/password_attempts.ts';
import { type Store, testOnStores } from '../../helpers/stores.ts';

const wrong = 'a wrong password';
// A hash of the right password; a login with it replaces the hash.
const outdated = '$2b$04$tRfeBdhMJ2Gw1RUUncrYheVZsOvtAIBwBiz0HIkx2.SHh6MwreBiy';

testOnStores(
  'after too many failures even the right password is refused without being verified',
  async (t, store) => {
    const deps = await openStoreLoginDeps(t, store);
    const { id } = await makeUser(store.db, { username: 'alice', password_hash: outdated });
    t.deepEqual(await failTimes(deps, 'alice', 3), ['refused', 'refused', 'refused']);
    t.is(await attempt(deps, 'alice', password), 'limited');
    t.is(await attempt(deps, 'alice', password, { device: { device_id: 'new' } }), 'limited');
    t.is((await findUser(store.db, id))?.password_hash, outdated, 'a right password would have replaced it');
  },
);

testOnStores('a name without a user is locked out like any other', async (t, store) => {
  const deps = await openStoreLoginDeps(t, store);
  await makeUser(store.db, { username: 'alice' });
  await makeUser(store.db, { username: 'no-password', password_hash: null });
  const expected = ['refused', 'refused', 'refused', 'limited', 'limited'];
  for (const login of ['alice', 'nobody', 'no-password', 'nobody@example.com', 'x'.repeat(300)]) {
    t.deepEqual(await failTimes(deps, login, 5), expected, login.slice(0, 30));
  }
});

testOnStores('all spellings of a name share one counter', async (t, store) => {
  const deps = await openStoreLoginDeps(t, store);
  await makeUser(store.db, { username: 'alice', email: 'alice@example.com' });
  for (const login of ['alice', 'ALICE', 'ａｌｉｃｅ']) t.is(await attempt(deps, login, wrong), 'refused');
  t.is(await attempt(deps, 'alice', password), 'limited');
  // Otherwise the attempts at one name would reveal that the address belongs to the same user.
  t.is(await attempt(deps, 'Alice@Example.com', password), 'authenticated');
});

testOnStores(
  'a password change counts by the device that asks, and strangers cannot lock it out',
  async (t, store) => {
    const deps = await openStoreLoginDeps(t, store);
    const user = await makeUser(store.db, { username: 'alice' });
    const change = {
      failureKey: onKnownDevice(newId()),
      user,
      password: wrong,
      event: 'password_change_failed',
      client_id: 'app',
      source,
    } as const;
    await failTimes(deps, 'alice', 4);
    for (let i = 0; i < 3; i += 1) t.is((await attemptPassword(deps, change)).outcome, 'refused');
    await t.throwsAsync(attemptPassword(deps, { ...change, password }), { message: /^Too many requests/ });
  },
);

testOnStores('a login of the owner does not change the answers that a stranger gets', async (t, store) => {
  const deps = await openStoreLoginDeps(t, store);
  await makeUser(store.db, { username: 'alice' });
  t.deepEqual(await failTimes(deps, 'alice', 2), ['refused', 'refused']);
  t.is(await attempt(deps, 'alice', password), 'authenticated');
  t.is(await attempt(deps, 'alice', password), 'authenticated', 'right ones do not count');
  t.deepEqual(await failTimes(deps, 'alice', 2), ['refused', 'limited']);
  t.deepEqual(await failTimes(deps, 'nobody', 4), ['refused', 'refused', 'refused', 'limited']);
});

/** The proof of a device that has logged in before. */
async function knownDevice({ db }: Store, user: User, device_id: string) {
  const registered = await registerKnownDevice(db, user, { device_id }, null);
  return { device: { device_id, device_secret: registered?.secret } };
}

testOnStores('a known device and a stranger do not lock each other out', async (t, store) => {
  const deps = await openStoreLoginDeps(t, store);
  const user = await makeUser(store.db, { username: 'alice' });
  const other = await makeUser(store.db, { username: 'other' });
  const phone = await knownDevice(store, user, 'phone');
  const tablet = await knownDevice(store, user, 'tablet');
  const laptop = await knownDevice(store, other, 'laptop');
  await failTimes(deps, 'alice', 3);
  t.is(await attempt(deps, 'alice', password, laptop), 'limited', "another user's device");
  t.is(await attempt(deps, 'alice', password, phone), 'authenticated');
  t.is(await attempt(deps, 'alice', password), 'limited', 'a login on the device does not help the stranger');
  for (let i = 0; i < 3; i += 1) await attempt(deps, 'alice', wrong, phone);
  t.is(await attempt(deps, 'alice', password, phone), 'limited', 'but the device has its own count');
  t.is(await attempt(deps, 'alice', password, tablet), 'authenticated');
});

testOnStores('a right password on a known device clears its earlier failures', async (t, store) => {
  const deps = await openStoreLoginDeps(t, store);
  const user = await makeUser(store.db, { username: 'alice' });
  const phone = await knownDevice(store, user, 'phone');
  for (let round = 0; round < 3; round += 1) {
    for (let i = 0; i < 2; i += 1) t.is(await attempt(deps, 'alice', wrong, phone), 'refused');
    t.is(await attempt(deps, 'alice', password, phone), 'authenticated');
  }
});

testOnStores('a device is known only by its secret', async (t, store) => {
  const deps = await openStoreLoginDeps(t, store);
  const user = await makeUser(store.db, { username: 'alice' });
  const { device } = await knownDevice(store, user, 'phone');
  await registerDevice(store.db, user.id, { device_id: 'of a version before' });
  await failTimes(deps, 'alice', 3);
  const unknown = [
    { device_id: 'phone' },
    { device_id: 'phone', device_secret: newDeviceSecret() },
    { device_id: 'phone', device_secret: 'x'.repeat(60_000) },
    { device_id: 'phone', device_secret: '\0' },
    { device_id: 'of a version before', device_secret: device.device_secret },
    { device_secret: device.device_secret },
    { device_id: '\0', device_secret: device.device_secret },
    { browser: [device.device_secret ?? ''] },
  ];
  for (const one of unknown) t.is(await attempt(deps, 'alice', password, { device: one }), 'limited');
  t.is(await attempt(deps, 'alice', password, { device }), 'authenticated');
});

testOnStores('a browser is known for each user who logged in there', async (t, store) => {
  const deps = await openStoreLoginDeps(t, store);
  const user = await makeUser(store.db, { username: 'alice' });
  const other = await makeUser(store.db, { username: 'other' });
  const secret = await rememberBrowser(store.db, user, [], null);
  const second = await rememberBrowser(store.db, other, [secret], null);
  t.not(second, secret, 'a secret that a stranger may have planted is not reused');
  for (const login of ['alice', 'other']) await failTimes(deps, login, 3);
  const browser = [second, secret];
  t.is(await attempt(deps, 'alice', password, { device: { browser } }), 'authenticated');
  t.is(await attempt(deps, 'other', password, { device: { browser } }), 'authenticated');
  t.is(await attempt(deps, 'other', password, { device: { browser: [secret] } }), 'limited');
  t.is(await attempt(deps, 'alice', password, { device: { browser: [] } }), 'limited');
});

testOnStores('one password cannot be tried on many users from one network', async (t, store) => {
  const deps = await openStoreLoginDeps(t, store, { loginAddress: { points: 20, seconds: 3_600 } });
  const user = await makeUser(store.db, { username: 'alice' });
  const phone = await knownDevice(store, user, 'phone');
  const from = (ip: string) => ({ source: { ...source, ip } });
  const spray = async (name: string, i: number) => attempt(deps, name, wrong, from(`2001:db8::${i + 1}`));
  for (let i = 0; i < 20; i += 1) t.is(await spray(`name-${i}`, i), 'refused');
  t.is(await spray('alice', 20), 'limited');
  t.is(await attempt(deps, 'alice', password, from('2001:db8:0:0:ffff::')), 'limited');
  t.is(await attempt(deps, 'alice', password, { ...from('2001:db8::1'), ...phone }), 'authenticated');
  t.is(await attempt(deps, 'alice', password, from('2001:db8:0:1::1')), 'authenticated');
});

testOnStores('right passwords do not use up the limit of their network', async (t, store) => {
  const deps = await openStoreLoginDeps(t, store, { loginAddress: { points: 2, seconds: 3_600 } });
  await makeUser(store.db, { username: 'alice' });
  for (let i = 0; i < 4; i += 1) t.is(await attempt(deps, 'alice', password), 'authenticated');
  t.is(await attempt(deps, 'alice', wrong), 'refused');
  t.is(await attempt(deps, 'alice', password), 'authenticated');
});

testOnStores('an attempt that fails through a server error does not count as a failure', async (t, store) => {
  const deps = await openStoreLoginDeps(t, store);
  const user = await makeUser(store.db, { username: 'alice', password_hash: outdated });
  await store.db.schema.renameTable('users', 'away');
  for (let i = 0; i < 5; i += 1)
    await t.throwsAsync(attempt(deps, 'alice', password, { user }), { message: /users/ });
  await store.db.schema.renameTable('away', 'users');
  t.deepEqual(await failTimes(deps, 'alice', 4), ['refused', 'refused', 'refused', 'limited']);
});

testOnStores(
  'failures count per network address too, and each address has its own count',
  async (t, store) => {
    const deps = await openStoreLoginDeps(t, store, { password: { points: 2, seconds: 3_600 } });
    await makeUser(store.db, { username: 'alice' });
    const elsewhere = { source: { ...source, ip: '192.0.2.99' } };
    t.deepEqual(await failTimes(deps, 'alice', 2), ['refused', 'refused']);
    t.is(await attempt(deps, 'alice', password), 'limited');
    t.is(await attempt(deps, 'alice', wrong, elsewhere), 'refused');
    t.is(await attempt(deps, 'alice', password, elsewhere), 'authenticated');
    t.is(await attempt(deps, 'alice', password, elsewhere), 'authenticated', 'right ones do not count');
    t.is(await attempt(deps, 'nobody', wrong), 'refused');
  },
);

testOnStores('a failure is recorded in the audit trail with the user and the reason', async (t, store) => {
  const deps = await openStoreLoginDeps(t, store);
  const { id: user_id } = await makeUser(store.db, { username: 'alice' });
  await failTimes(deps, 'alice', 4);
  await attempt(deps, 'nobody', wrong);
  await deps.audit.flush();
  const events = await store.db('audit_events').orderBy('id');
  t.deepEqual(
    events.map((one) => [one.type, one.user_id, one.client_id, one.reason, one.ip]),
    [
      ...['wrong_credentials', 'wrong_credentials', 'wrong_credentials', 'rate_limited'].map((reason) => [
        'login_failed',
        user_id,
        'app',
        reason,
        source.ip,
      ]),
      ['login_failed', null, 'app', 'wrong_credentials', source.ip],
    ],
  );
});

testOnStores(
  'refusals are one event until the next attempt is allowed, by name and by network',
  async (t, store) => {
    const deps = await openStoreLoginDeps(t, store, {
      lockout,
      loginAddress: { points: 20, seconds: 3_600 },
    });
    await makeUser(store.db, { username: 'alice' });
    await failTimes(deps, 'alice', 3);
    for (let i = 0; i < 5; i += 1) {
      const elsewhere = { source: { ...source, ip: `192.0.2.${i}` } };
      t.is(await attempt(deps, 'alice', wrong, elsewhere), 'limited');
    }
    for (let i = 0; i < 17; i += 1) t.is(await attempt(deps, `name-${i}`, wrong), 'refused');
    for (let i = 0; i < 5; i += 1) t.is(await attempt(deps, `other-${i}`, wrong), 'limited');
    await deps.audit.flush();
    const refusals = await store.db('audit_events').where({ reason: 'rate_limited' }).orderBy('id');
    t.deepEqual(
      refusals.map(({ ip }) => ip),
      ['192.0.2.0', source.ip],
    );
  },
);

testOnStores('with limits switched off, nothing is counted', async (t, store) => {
  const deps = await openStoreLoginDeps(t, store, { store: 'off', lockout: { ...lockout, failures: 1 } });
  await makeUser(store.db, { username: 'alice' });
  await failTimes(deps, 'alice', 5);
  t.is(await attempt(deps, 'alice', password), 'authenticated');
});
