import test from 'ava';
import { removeDevice } from '../../../src/core/actions/remove_device.ts';
import { findSession } from '../../../src/core/sessions/find_session.ts';
import { findDevice } from '../../../src/core/users/device_list.ts';
import {
  deviceName,
  deviceParameters,
  registerDevice,
  renameDevice,
} from '../../../src/core/users/devices.ts';
import { newId } from '../../../src/lib/ids.ts';
import { after, makeUser, openTestSession } from '../../helpers/builders.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { openDatabases } from '../../helpers/tables.ts';

const at = new Date('2030-01-01T00:00:00.250Z');
const phone = {
  device_id: 'phone',
  device_name: 'Pixel',
  platform: 'android',
  app_version: '1.0',
  push_token: 'push-1',
};

testOnStores('a device is created by its first login and found by the next', async (t, { db }) => {
  const user = await makeUser(db);
  const made = await registerDevice(db, user.id, phone, at);
  const expected = {
    id: made?.id ?? '',
    user_id: user.id,
    device_id: 'phone',
    platform: 'android',
    name: 'Pixel',
    app_version: '1.0',
    push_token: 'push-1',
    secret_digest: null,
    secret_proof: null,
    last_seen_at: at,
    created_at: at,
  };
  t.deepEqual(made, expected);
  const again = await registerDevice(db, user.id, { device_id: 'phone', app_version: '1.1' }, after(at, 60));
  t.deepEqual(
    again,
    { ...expected, app_version: '1.1', last_seen_at: after(at, 60) },
    'what is not said stays',
  );
  t.deepEqual(await findDevice(db, user.id, expected.id), again);
  t.is((await db('devices')).length, 1);
});

testOnStores('a login without a device creates none', async (t, { db }) => {
  const user = await makeUser(db);
  const { device_id: _, ...unnamed } = phone;
  t.is(await registerDevice(db, user.id, unnamed), null);
  t.deepEqual(await db('devices'), []);
});

testOnStores('a name that the user gave stays, whatever the client calls the device', async (t, { db }) => {
  const user = await makeUser(db);
  const made = await registerDevice(db, user.id, { device_id: 'phone' });
  t.is(made?.name, null);
  t.is((await registerDevice(db, user.id, phone))?.name, 'Pixel', 'the first name that is given');
  t.is((await renameDevice(db, user.id, made?.id ?? '', 'My phone'))?.name, 'My phone');
  t.is((await registerDevice(db, user.id, phone))?.name, 'My phone');
});

testOnStores("one device_id of two users is two devices, and neither sees the other's", async (t, { db }) => {
  const [alice, mallory] = [await makeUser(db), await makeUser(db)];
  const own = await registerDevice(db, alice.id, phone, at);
  const theirs = await registerDevice(db, mallory.id, phone, at);
  t.not(own?.id, theirs?.id);
  const id = own?.id ?? '';
  t.is(await findDevice(db, mallory.id, id), null);
  t.is(await renameDevice(db, mallory.id, id, 'mine now'), null);
  t.false(await removeDevice(db, mallory.id, id, { actor: 'user' }));
  t.deepEqual(await findDevice(db, alice.id, id), own);
  t.is(await findDevice(db, alice.id, newId()), null);
});

testOnStores('ten concurrent logins of one new device create one device', async (t, store) => {
  const user = await makeUser(store.db);
  const nodes = await openDatabases(t, store, 3);
  const made = await Promise.all(
    Array.from({ length: 10 }, (_, i) => registerDevice(nodes[i % nodes.length] ?? store.db, user.id, phone)),
  );
  t.is(new Set(made.map((device) => device?.id)).size, 1);
  t.is((await store.db('devices')).length, 1);
});

testOnStores('after a device is removed, its sessions remain without it', async (t, { db }) => {
  const user = await makeUser(db);
  const device = await registerDevice(db, user.id, phone);
  const session = await openTestSession(db, { user, device_id: device?.id ?? null });
  t.true(await removeDevice(db, user.id, device?.id ?? '', { actor: 'user' }));
  t.false(await removeDevice(db, user.id, device?.id ?? '', { actor: 'user' }));
  t.is((await findSession(db, session.id))?.device_id, null);
});

test('the description of a device in a login is bounded', (t) => {
  const isFine = (given: object) => deviceParameters.safeParse(given).success;
  t.true(isFine({}));
  t.true(isFine(phone));
  t.true(isFine({ ...phone, device_name: 'Zoës 📱 Телефон' }));
  for (const wrong of [
    { device_id: '' },
    { device_id: 'x'.repeat(201) },
    { device_id: 'a\0' },
    { device_id: 7 },
    { push_token: 'x'.repeat(4097) },
    { push_token: 'a\r\nb' },
  ]) {
    t.false(isFine(wrong), JSON.stringify(wrong).slice(0, 40));
  }
  t.false(deviceName.safeParse('').success);
  t.true(deviceName.safeParse('x'.repeat(100)).success);
});

test('a description of a device that is too long is cut and never refused', (t) => {
  const kept = (device_name: string) => deviceParameters.parse({ device_name }).device_name;
  t.is(kept(''), undefined);
  t.is(kept('\0\uFFFD\n'), undefined);
  t.is(kept('a\nb\u001b[31m\u0085'), 'ab[31m');
  t.is(kept('x'.repeat(60_000)), 'x'.repeat(100));
  t.is(kept(`${'x'.repeat(99)}📱`), 'x'.repeat(99), 'by whole characters');
  t.is(kept(`${'x'.repeat(96)}👍🏽yz`), `${'x'.repeat(96)}👍🏽`);
  t.is(kept(`${'x'.repeat(97)}👍🏽`), 'x'.repeat(97));
  t.is(kept(`${'x'.repeat(98)}👍🏽`), 'x'.repeat(98));
  t.is(kept(`${'x'.repeat(99)}e\u0301`), 'x'.repeat(99));
  t.is(kept(`e${'\u0301'.repeat(50_000)}`)?.length, 100);
  const { platform, app_version } = deviceParameters.parse({
    platform: 'p'.repeat(51),
    app_version: '1.2\u0000'.repeat(50),
  });
  t.deepEqual([platform?.length, app_version?.length], [50, 50]);
  t.true(deviceName.safeParse(kept('x'.repeat(101))).success);
});
