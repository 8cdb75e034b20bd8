import {
  isDeviceSecret,
  newDeviceSecret,
  registerKnownDevice,
  rememberBrowser,
} from '../../../src/core/users/known_devices.ts';
import { digest } from '../../../src/lib/crypto.ts';
import { makeUser } from '../../helpers/builders.ts';
import { testOnStores } from '../../helpers/stores.ts';

testOnStores('the browsers that a user used last are remembered', async (t, { db }) => {
  const user = await makeUser(db);
  const other = await makeUser(db);
  await rememberBrowser(db, other, [], null);
  const secrets: string[] = [];
  for (let i = 0; i < 25; i += 1) {
    const secret = await rememberBrowser(db, user, [], null);
    const last_used_at = new Date(Date.now() - (30 - i) * 3_600_000);
    await db('known_browsers')
      .where({ id: digest(secret) })
      .update({ last_used_at });
    secrets.push(secret);
    // The first of them stays in use.
    const [first = ''] = secrets;
    await rememberBrowser(db, user, [first], digest(first));
  }
  const left = new Set((await db('known_browsers').where({ user_id: user.id })).map((row) => row.id));
  t.is(left.size, 20);
  t.true(left.has(digest(secrets[0] ?? '')));
  t.true(left.has(digest(secrets.at(-1) ?? '')));
  t.false(left.has(digest(secrets[1] ?? '')));
  t.is((await db('known_browsers').where({ user_id: other.id })).length, 1);
});

testOnStores('secrets of devices are random and kept as digests', async (t, { db }) => {
  const user = await makeUser(db);
  const registered = await registerKnownDevice(db, user, { device_id: 'phone' }, null);
  t.true(isDeviceSecret(registered?.secret));
  const rows = JSON.stringify(await db('devices'));
  t.false(rows.includes(registered?.secret ?? 'x'));
  t.true(rows.includes(digest(registered?.secret ?? '')));
  const many = Array.from({ length: 1_000 }, newDeviceSecret);
  t.is(new Set(many).size, 1_000);
  t.is(await registerKnownDevice(db, user, {}, null), null);
});
