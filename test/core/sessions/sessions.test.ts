import { removeDevice } from '../../../src/core/actions/remove_device.ts';
import { changeUserStatus } from '../../../src/core/actions/user_status.ts';
import { endAllSessions } from '../../../src/core/sessions/end_many.ts';
import { endSession } from '../../../src/core/sessions/end_sessions.ts';
import { findSession } from '../../../src/core/sessions/find_session.ts';
import { expiresAt } from '../../../src/core/sessions/live_session.ts';
import { openSession } from '../../../src/core/sessions/open_session.ts';
import { findUserSession, listRotations } from '../../../src/core/sessions/session_list.ts';
import { registerDevice } from '../../../src/core/users/devices.ts';
import { findUser } from '../../../src/core/users/users.ts';
import { newId } from '../../../src/lib/ids.ts';
import { after, makeClient, makeUser, newSession, openTestSession, source } from '../../helpers/builders.ts';
import { rowsOf } from '../../helpers/rows.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { readTables } from '../../helpers/tables.ts';

const login = new Date('2030-01-01T00:00:00.250Z');

testOnStores('a login writes its session, its event and the time of the login', async (t, { db }) => {
  const user = await makeUser(db);
  const client = await makeClient(db);
  const device = await registerDevice(db, user.id, { device_id: 'phone' }, login);
  const input = { ...newSession(user, client), device_id: device?.id ?? null };
  const session = await openSession(db, { ...input, idle_ttl: 60, absolute_ttl: 3_600 }, login);
  const { id, salt } = session ?? {};
  t.deepEqual(session, {
    id: id ?? '',
    user_id: user.id,
    client_id: client.client_id,
    device_id: device?.id ?? null,
    grant_payload: { openid: { scope: 'openid' } },
    token_payload: { scope: 'openid', gty: 'password' },
    salt: salt ?? Buffer.alloc(0),
    generation: 0,
    rotated_at: null,
    ip: source.ip,
    user_agent: source.user_agent,
    idle_ttl: 60,
    created_at: login,
    last_used_at: login,
    absolute_expires_at: after(login, 3_600),
    ended_at: null,
    ended_reason: null,
    ended_by: null,
    ended_by_id: null,
    browser_session: null,
    is_plain: false,
    session_epoch: 0,
  });
  t.is(salt?.length, 16);
  const [event, ...more] = await rowsOf(db('audit_events'));
  t.deepEqual(more, []);
  t.deepEqual(event, {
    id: event.id,
    created_at: login,
    type: 'session_opened',
    user_id: user.id,
    session_id: id,
    client_id: client.client_id,
    actor: 'user',
    actor_id: user.id,
    reason: null,
    ...source,
    detail: null,
  });
  t.deepEqual(await findUser(db, user.id), { ...user, last_login_at: login });
});

testOnStores('a banned, disabled, deleted or unknown user opens nothing', async (t, { db }) => {
  const client = await makeClient(db);
  for (const status of ['banned', 'disabled', 'deleted'] as const) {
    const user = await makeUser(db);
    await changeUserStatus(db, user.id, { status, actor: 'admin' });
    const before = await readTables(db);
    t.is(await openSession(db, newSession(user, client)), null, status);
    t.deepEqual(await readTables(db), before, `${status}: not even the time of the login`);
  }
  t.is(await openSession(db, newSession({ id: newId() }, client)), null);
});

testOnStores('a ban that has run out no longer keeps its user away', async (t, { db }) => {
  const user = await makeUser(db);
  const client = await makeClient(db);
  const ban_expires_at = after(login, 3_600);
  await changeUserStatus(db, user.id, { status: 'banned', ban_expires_at, actor: 'admin' });
  t.is(await openSession(db, newSession(user, client), after(login, 3_599.999)), null);
  const session = await openSession(db, newSession(user, client), ban_expires_at);
  t.is(session?.user_id, user.id);
  const seen = await findSession(db, session?.id ?? '', ban_expires_at);
  t.deepEqual([seen?.user_is_active, seen?.user_status], [true, 'banned']);
  t.is((await findSession(db, session?.id ?? '', after(login, 3_599)))?.user_is_active, false);
  await changeUserStatus(db, user.id, {
    status: 'banned',
    ban_expires_at: new Date(Date.now() - 1),
    actor: 'admin',
  });
  t.not(await openSession(db, newSession(user, client)), null, "by the database's own clock too");
});

testOnStores(
  'ending an ended session changes nothing, neither its reason nor its time',
  async (t, { db }) => {
    const session = await openTestSession(db, {}, login);
    const now = after(login, 5);
    const ending = {
      reason: 'ended_by_admin',
      actor: 'admin',
      actor_id: newId(),
      source,
      detail: { n: 1 },
    } as const;
    const ended = {
      ...session,
      ended_at: now,
      ended_reason: 'ended_by_admin',
      ended_by: 'admin',
      ended_by_id: ending.actor_id,
    };
    t.true(await endSession(db, session.id, ending, now));
    t.like(await findSession(db, session.id), ended);
    const before = await readTables(db);
    const again = { reason: 'logout', actor: 'user' } as const;
    t.false(await endSession(db, session.id, again));
    t.false(await endSession(db, newId(), again));
    t.deepEqual(await readTables(db), before);
    const [event, ...more] = await rowsOf(db('audit_events').where({ type: 'session_ended' }));
    t.deepEqual(more, []);
    t.deepEqual(event, {
      id: event.id,
      created_at: now,
      type: 'session_ended',
      user_id: session.user_id,
      session_id: session.id,
      client_id: session.client_id,
      actor: 'admin',
      actor_id: ending.actor_id,
      reason: 'ended_by_admin',
      ...source,
      detail: { n: 1 },
    });
  },
);

testOnStores('an end that is rolled back leaves the session and no event', async (t, { db }) => {
  const session = await openTestSession(db);
  const before = await readTables(db);
  const rolledBack = db.transaction(async (tx) => {
    t.true(await endSession(tx, session.id, { reason: 'logout', actor: 'user' }));
    throw new Error('never mind');
  });
  await t.throwsAsync(rolledBack, { message: 'never mind' });
  t.deepEqual(await readTables(db), before);
});

testOnStores("sessions end by user, by device and all but one, never another user's", async (t, { db }) => {
  const user = await makeUser(db);
  const device = await registerDevice(db, user.id, { device_id: 'tablet' });
  const [here, there, tablet] = [
    await openTestSession(db, { user }),
    await openTestSession(db, { user }),
    await openTestSession(db, { user, device_id: device?.id ?? null }),
  ];
  const stranger = await openTestSession(db);
  const live = async () => (await db('sessions').whereNull('ended_at').orderBy('id')).map((one) => one.id);
  t.true(await removeDevice(db, user.id, device?.id ?? '', { actor: 'user' }));
  t.deepEqual(await live(), [here.id, there.id, stranger.id].sort());
  const ending = { reason: 'password_changed', actor: 'user' } as const;
  t.is(await endAllSessions(db, user.id, ending, { session_id: here.id }), 1);
  t.is((await findSession(db, there.id))?.ended_reason, 'password_changed');
  t.deepEqual(await live(), [here.id, stranger.id].sort());
  await endAllSessions(db, user.id, { reason: 'logout_all', actor: 'user' });
  t.deepEqual(await live(), [stranger.id]);
  t.is((await findSession(db, tablet.id))?.ended_reason, 'device_removed');
});

testOnStores(
  "another user's session does not exist, one's own does even when it ended",
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
      ...shown
    } = session;
    t.deepEqual(await findUserSession(db, user.id, session.id, login), {
      ...shown,
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
    t.deepEqual(await listRotations(db, session.id), []);
  },
);

testOnStores('a session expires when its idle or its absolute time is over', async (t, { db }) => {
  const session = await openTestSession(db, { idle_ttl: 60, absolute_ttl: 90 }, login);
  t.deepEqual(expiresAt(session), after(login, 60));
  t.deepEqual(expiresAt({ ...session, last_used_at: after(login, 59) }), after(login, 90));
  t.is((await findSession(db, session.id, after(login, 59.999)))?.is_expired, false);
  t.is((await findSession(db, session.id, after(login, 60)))?.is_expired, true);
});
