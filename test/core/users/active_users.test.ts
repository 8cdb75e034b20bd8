import { readClock } from '../../../src/core/store/sql_time.ts';
import { isActive } from '../../../src/core/users/active_users.ts';
import { after, makeUser } from '../../helpers/builders.ts';
import { testOnStores } from '../../helpers/stores.ts';

const at = new Date('2030-01-01T00:00:00.250Z');

testOnStores('SQL and code agree on which users are active', async (t, { db }) => {
  const user = await makeUser(db);
  const answers = [
    await isActive(db, user, at),
    await isActive(db, { status: 'banned', ban_expires_at: null }, at),
    await isActive(db, { status: 'banned', ban_expires_at: after(at, 0.001) }, at),
    await isActive(db, { status: 'banned', ban_expires_at: at }, at),
    await isActive(db, { status: 'disabled', ban_expires_at: null }, at),
    await isActive(db, { status: 'disabled', ban_expires_at: at }, at),
    await isActive(db, { status: 'deleted', ban_expires_at: at }, at),
  ];
  t.deepEqual(answers, [true, false, false, true, false, false, false]);
  const now = await readClock(db);
  t.true(await isActive(db, { status: 'banned', ban_expires_at: now }), 'by the clock of the database');
  t.false(await isActive(db, { status: 'banned', ban_expires_at: after(now, 60) }));
});
