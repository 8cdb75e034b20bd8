import { endSession } from '../../../src/core/sessions/end_sessions.ts';
import { findDevice } from '../../../src/core/users/device_list.ts';
import { registerDevice } from '../../../src/core/users/devices.ts';
import { makeUser, openTestSession } from '../../helpers/builders.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { openDatabases } from '../../helpers/tables.ts';

const phone = { device_id: 'phone', push_token: 'push-1' };

testOnStores('the push token of a device is removed with the last live session on it', async (t, { db }) => {
  const user = await makeUser(db);
  const [one, other] = [
    await registerDevice(db, user.id, phone),
    await registerDevice(db, user.id, { ...phone, device_id: 'tablet' }),
  ];
  const logIn = () => openTestSession(db, { user, device_id: one?.id ?? null });
  const [first, again] = [await logIn(), await logIn()];
  const pushTo = async (device: typeof one) => (await findDevice(db, user.id, device?.id ?? ''))?.push_token;
  await endSession(db, first.id, { reason: 'logout', actor: 'user' });
  t.is(await pushTo(one), 'push-1', 'the device has another live session');
  await endSession(db, again.id, { reason: 'token_revoked', actor: 'client' });
  t.is(await pushTo(one), null, 'its last live session has ended');
  t.is(await pushTo(other), 'push-1');
});

testOnStores(
  'when the last two sessions of a device end at the same time, its push token is removed',
  async (t, store) => {
    const nodes = await openDatabases(t, store, 2);
    const user = await makeUser(store.db);
    for (let round = 0; round < 20; round += 1) {
      const device = await registerDevice(store.db, user.id, { ...phone, device_id: `phone-${round}` });
      const sessions = [0, 1].map(() => openTestSession(store.db, { user, device_id: device?.id ?? null }));
      const ids = (await Promise.all(sessions)).map((session) => session.id);
      const end = (id: string, i: number) =>
        endSession(nodes[i] ?? store.db, id, { reason: 'logout', actor: 'user' });
      t.deepEqual(await Promise.all(ids.map(end)), [true, true]);
      t.is((await findDevice(store.db, user.id, device?.id ?? ''))?.push_token, null);
    }
  },
);
