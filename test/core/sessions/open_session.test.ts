import { changeUserStatus } from '../../../src/core/actions/user_status.ts';
import { findSession } from '../../../src/core/sessions/find_session.ts';
import { openSession } from '../../../src/core/sessions/open_session.ts';
import { registerDevice } from '../../../src/core/users/devices.ts';
import { findUser } from '../../../src/core/users/users.ts';
import { newId } from '../../../src/lib/ids.ts';
import { after, makeClient, makeUser, newSession, source } from '../../helpers/builders.ts';
import { rowsOf } from '../../helpers/rows.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { readTables } from '../../helpers/tables.ts';

const login = new Date('2030-01-01T00:00:00.250Z');

testOnStores('a login writes its session, its event and its time', async (t, { db }) => {
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
    login_ip: source.ip,
    login_user_agent: source.user_agent,
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

testOnStores('no session opens for a banned, disabled, deleted or unknown user', async (t, { db }) => {
  const client = await makeClient(db);
  for (const status of ['banned', 'disabled', 'deleted'] as const) {
    const user = await makeUser(db);
    await changeUserStatus(db, user.id, { status, actor: 'admin' });
    const before = await readTables(db);
    t.is(await openSession(db, newSession(user, client)), null, status);
    t.deepEqual(await readTables(db), before, `${status}: the time of the login is not written either`);
  }
  t.is(await openSession(db, newSession({ id: newId() }, client)), null);
});

testOnStores('after a ban has expired, its user can log in', async (t, { db }) => {
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
  t.not(await openSession(db, newSession(user, client)), null, "also by the database's own clock");
});
