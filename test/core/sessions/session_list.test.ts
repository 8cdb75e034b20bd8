import { endSession } from '../../../src/core/sessions/end_sessions.ts';
import {
  findUserSession,
  listLiveSessions,
  type SessionCursor,
} from '../../../src/core/sessions/session_list.ts';
import { registerDevice } from '../../../src/core/users/devices.ts';
import { newId } from '../../../src/lib/ids.ts';
import { after, makeClient, makeUser, openTestSession } from '../../helpers/builders.ts';
import { testOnStores } from '../../helpers/stores.ts';

const login = new Date('2030-01-01T00:00:00.250Z');

testOnStores('the list contains live sessions, last used first', async (t, { db }) => {
  const user = await makeUser(db);
  const now = after(login, 1_000);
  const open = (seconds: number, given = {}) =>
    openTestSession(db, { user, ...given }, after(login, seconds));
  const [oldest, middle, newest] = [await open(0), await open(500), await open(900)];
  await open(10, { idle_ttl: 990 });
  await open(20, { absolute_ttl: 980 });
  const ended = await open(30);
  await endSession(db, ended.id, { reason: 'logout', actor: 'user' });
  await openTestSession(db, {}, login);
  const ids = (await listLiveSessions(db, user.id, {}, now)).map((one) => one.id);
  t.deepEqual(ids, [newest.id, middle.id, oldest.id]);
});

testOnStores(
  'paging shows every session once, including those of the same millisecond',
  async (t, { db }) => {
    const user = await makeUser(db);
    const client = await makeClient(db);
    for (let i = 0; i < 23; i += 1) {
      await openTestSession(db, { user, client }, after(login, Math.floor(i / 10)));
    }
    for (const limit of [1, 7, 23]) {
      const seen: string[] = [];
      let after: SessionCursor | undefined;
      for (let page = 0; page <= 23; page += 1) {
        const found = await listLiveSessions(db, user.id, { limit, after }, login);
        t.true(found.length <= limit);
        seen.push(...found.map((one) => one.id));
        after = found.at(-1) ?? after;
      }
      const expected = await db('sessions').orderBy([
        { column: 'last_used_at', order: 'desc' },
        { column: 'id', order: 'desc' },
      ]);
      t.deepEqual(
        seen,
        expected.map((one) => one.id),
        `${limit} a page`,
      );
    }
  },
);

testOnStores(
  'a user finds their own sessions, live or ended, and none of another user',
  async (t, { db }) => {
    const user = await makeUser(db);
    const client = await makeClient(db, { client_name: 'Shop' });
    const given = { device_id: 'phone', device_name: 'Pixel', platform: 'android', app_version: '1.2' };
    const device = await registerDevice(db, user.id, given);
    const session = await openTestSession(db, { user, client, device_id: device?.id ?? null }, login);
    const stranger = await makeUser(db);
    t.is(await findUserSession(db, stranger.id, session.id), null);
    t.is(await findUserSession(db, user.id, newId()), null);
    await endSession(db, session.id, { reason: 'logout', actor: 'user' }, login);
    const {
      salt: _1,
      grant_payload: _2,
      token_payload: _3,
      is_plain: _4,
      session_epoch: _5,
      login_ip: _6,
      login_user_agent: _7,
      ...shown
    } = session;
    t.deepEqual(await findUserSession(db, user.id, session.id, login), {
      ...shown,
      last_ip: session.ip,
      last_user_agent: session.user_agent,
      ended_at: login,
      ended_reason: 'logout',
      ended_by: 'user',
      is_expired: false,
      client_name: 'Shop',
      device_name: 'Pixel',
      device_platform: 'android',
      device_app_version: '1.2',
      device_device_id: 'phone',
    });
  },
);
