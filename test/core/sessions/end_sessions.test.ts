import { removeDevice } from '../../../src/core/actions/remove_device.ts';
import { endAllSessions } from '../../../src/core/sessions/end_many.ts';
import { endSession } from '../../../src/core/sessions/end_sessions.ts';
import { findSession } from '../../../src/core/sessions/find_session.ts';
import { registerDevice } from '../../../src/core/users/devices.ts';
import { newId } from '../../../src/lib/ids.ts';
import { after, makeUser, openTestSession, source } from '../../helpers/builders.ts';
import { rowsOf } from '../../helpers/rows.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { readTables } from '../../helpers/tables.ts';

const login = new Date('2030-01-01T00:00:00.250Z');

testOnStores('ending an ended session changes neither its reason nor its time', async (t, { db }) => {
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
});

testOnStores(
  'an ending that is rolled back leaves the session live and writes no event',
  async (t, { db }) => {
    const session = await openTestSession(db);
    const before = await readTables(db);
    const rolledBack = db.transaction(async (tx) => {
      t.true(await endSession(tx, session.id, { reason: 'logout', actor: 'user' }));
      throw new Error('never mind');
    });
    await t.throwsAsync(rolledBack, { message: 'never mind' });
    t.deepEqual(await readTables(db), before);
  },
);

testOnStores(
  'sessions end by user, by device or all but one, never those of another user',
  async (t, { db }) => {
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
  },
);
