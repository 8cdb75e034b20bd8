// The order of locks: the user's row before any session row. Tested on Postgres, which locks row by row.
import test from 'ava';
import type { Knex } from 'knex';
import { loadConfig } from '../../../config/index.ts';
import { addConsent, withdrawConsent } from '../../../src/core/actions/consents.ts';
import { deleteClient } from '../../../src/core/actions/delete_client.ts';
import { changePassword } from '../../../src/core/actions/password_change.ts';
import { removeDevice } from '../../../src/core/actions/remove_device.ts';
import { changeUserStatus } from '../../../src/core/actions/user_status.ts';
import { openDeps } from '../../../src/core/deps.ts';
import { endOpenedIn } from '../../../src/core/sessions/browser_sessions.ts';
import { beginEndingAll, endAllSessions } from '../../../src/core/sessions/end_many.ts';
import { completeSession } from '../../../src/core/sessions/exchange_code.ts';
import { openSession } from '../../../src/core/sessions/open_session.ts';
import { leaveDevices } from '../../../src/core/sessions/push_tokens.ts';
import type { Session } from '../../../src/core/sessions/sessions.ts';
import { registerDevice } from '../../../src/core/users/devices.ts';
import { lockUser } from '../../../src/core/users/users.ts';
import {
  makeClient,
  makeUser,
  newSession,
  openTestSession,
  password,
  present,
} from '../../helpers/builders.ts';
import { untilOneWaits } from '../../helpers/held_locks.ts';
import { rotate } from '../../helpers/rotate.ts';
import { environment } from '../../helpers/server.ts';
import { makeStore } from '../../helpers/stores.ts';
import { openDatabases } from '../../helpers/tables.ts';

const works: Record<string, (db: Knex, session: Session) => Promise<unknown>> = {
  'the punishment of reuse': (db, session) => rotate(db, present(session, 0)),
  'a reuse that raises nothing': (db, session) =>
    rotate(db, present(session, 0, { raise_token_version: false })),
  'a logout everywhere': (db, { user_id }) =>
    endAllSessions(db, user_id, { reason: 'logout_all', actor: 'user' }),
  'a logout everywhere but here': (db, { user_id, id }) =>
    endAllSessions(db, user_id, { reason: 'password_changed', actor: 'user' }, { session_id: id }),
  'a ban': (db, { user_id }) => changeUserStatus(db, user_id, { status: 'banned', actor: 'admin' }),
  'a deletion': (db, { user_id }) => changeUserStatus(db, user_id, { status: 'deleted', actor: 'admin' }),
  'a withdrawn consent': (db, { user_id, client_id }) =>
    withdrawConsent(db, user_id, client_id, { actor: 'user' }),
  'the removal of a device': (db, { user_id, device_id }) =>
    removeDevice(db, user_id, device_id ?? '', { actor: 'user' }),
  'the end of a browser': (db, { user_id }) =>
    endOpenedIn(db, user_id, 'b', { reason: 'logout', actor: 'user' }),
  'the removal of a client': (db, { client_id }) => deleteClient(db, client_id, { actor: 'admin' }),
  'a login': (db, session) =>
    openSession(db, newSession({ id: session.user_id }, { client_id: session.client_id })),
};

for (const [title, work] of Object.entries(works)) {
  test(`${title} holds no session while it waits for the user`, async (t) => {
    const store = await makeStore('postgres');
    t.teardown(store.drop);
    const [other = store.db] = await openDatabases(t, store, 1);
    const [user, client] = [await makeUser(store.db), await makeClient(store.db)];
    const device = await registerDevice(store.db, user.id, { device_id: 'phone' });
    const given = { user, client, device_id: device?.id ?? null, browser_session: 'b' };
    const session = await openTestSession(store.db, given);
    await addConsent(store.db, user.id, client.client_id, { openid: [], claims: [], resources: {} });
    await rotate(store.db, present(session, 0));
    const holding = await store.db.transaction();
    t.teardown(() => holding.rollback());
    await lockUser(holding, session.user_id);
    const { id } = session;
    const watch = async () => {
      await untilOneWaits(store.db);
      await t.notThrowsAsync(
        holding('sessions').where({ id }).forUpdate().noWait(),
        'its session is not locked',
      );
      await holding.rollback();
    };
    await t.notThrowsAsync(Promise.all([work(other, session), watch()]));
  });
}

test('a password change holds no lock on a device while it waits for a session', async (t) => {
  const store = await makeStore('postgres');
  t.teardown(store.drop);
  const deps = await openDeps(loadConfig(environment(store.url, { LOG_LEVEL: 'silent' })));
  t.teardown(deps.close);
  const user = await makeUser(store.db);
  const device = await registerDevice(store.db, user.id, { device_id: 'phone', push_token: 'push' });
  const session = await openTestSession(store.db, { user, device_id: device?.id ?? null });
  const holding = await store.db.transaction();
  t.teardown(() => holding.rollback());
  await holding('sessions').where({ id: session.id }).forUpdate();
  const changing = changePassword(deps, {
    user_id: user.id,
    asker: { session_id: session.id },
    current_password: password,
    new_password: 'another horse, another staple',
    source: { ip: '192.0.2.7', user_agent: null, request_id: null },
  });
  await untilOneWaits(store.db);
  // As a logout of this session does, which does not lock the user.
  await t.notThrowsAsync(leaveDevices(holding, [session]));
  await holding.rollback();
  t.is(await changing, 0);
});

const uses: Record<string, (db: Knex, session: Session) => Promise<unknown>> = {
  'is refreshed': async (db, session) => (await rotate(db, present(session, 0))).outcome === 'rotated',
  'gets its tokens': (db, { id }) => completeSession(db, { id, grant_payload: {} }, {}, 3_600),
};

for (const [title, use] of Object.entries(uses)) {
  test(`a session that is kept while all others end ${title} meanwhile`, async (t) => {
    const store = await makeStore('postgres');
    t.teardown(store.drop);
    const [other = store.db] = await openDatabases(t, store, 1);
    const session = await openTestSession(store.db);
    const ending = await store.db.transaction();
    t.teardown(() => ending.rollback());
    await lockUser(ending, session.user_id);
    const kept = { session_id: session.id };
    await beginEndingAll(ending, session.user_id, { reason: 'logout_all', actor: 'user' }, { kept });
    const using = use(other, session);
    await untilOneWaits(store.db);
    await ending.commit();
    t.true(await using);
  });
}
