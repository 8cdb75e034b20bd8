// Concurrent logins, logouts, reuse and bans: every session that should end does end, and no transactions deadlock.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Knex } from 'knex';
import { removeDevice } from '../../../src/core/actions/remove_device.ts';
import { changeUserStatus } from '../../../src/core/actions/user_status.ts';
import { endAllSessions } from '../../../src/core/sessions/end_many.ts';
import { endSession } from '../../../src/core/sessions/end_sessions.ts';
import { openSession } from '../../../src/core/sessions/open_session.ts';
import type { Session } from '../../../src/core/sessions/sessions.ts';
import { registerDevice } from '../../../src/core/users/devices.ts';
import { makeClient, makeUser, newSession, openTestSession, present } from '../../helpers/builders.ts';
import { rotate } from '../../helpers/rotate.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { openDatabases } from '../../helpers/tables.ts';

const byAdmin = { actor: 'admin' } as const;

/** Opens `count` connections of each node, so that the time to connect does not decide the race. */
async function warm(nodes: Knex[], count: number): Promise<void> {
  await Promise.all(nodes.flatMap((node) => Array.from({ length: count }, () => node.raw('select 1'))));
}

for (const status of ['banned', 'disabled', 'deleted'] as const) {
  testOnStores(`a concurrent login does not survive when its user becomes ${status}`, async (t, store) => {
    const nodes = await openDatabases(t, store, 3);
    const client = await makeClient(store.db);
    await warm([...nodes, store.db], 6);
    const opened: number[] = [];
    for (let round = 0; round < 6; round += 1) {
      const user = await makeUser(store.db);
      const logins = Array.from({ length: 20 }, async (_, i) => {
        await sleep(i / 4);
        const node = nodes[i % nodes.length] as Knex;
        return await openSession(node, newSession(user, client));
      });
      const ban = sleep(1 + round / 2).then(() =>
        changeUserStatus(store.db, user.id, { status, ...byAdmin }),
      );
      const [{ ended }, ...sessions] = await Promise.all([ban, ...logins]);
      const rows = await store.db('sessions').where({ user_id: user.id });
      t.deepEqual(
        rows.map((row) => row.ended_reason),
        rows.map(() => `user_${status}`),
      );
      t.is(sessions.filter(Boolean).length, ended, 'every session that opened was ended, and no other');
      opened.push(rows.length);
    }
    t.log(`opened before the ban, of 20: ${opened.join(', ')}`);
  });
}

testOnStores('a logout everywhere ends every earlier session once', async (t, store) => {
  const nodes = await openDatabases(t, store, 3);
  await warm([...nodes, store.db], 4);
  const client = await makeClient(store.db);
  for (let round = 0; round < 4; round += 1) {
    const user = await makeUser(store.db);
    await Promise.all(Array.from({ length: 5 }, () => openTestSession(store.db, { user, client })));
    const ended = await Promise.all(
      [...nodes, ...nodes].map((node) =>
        endAllSessions(node, user.id, { reason: 'logout_all', actor: 'user' }),
      ),
    );
    t.is(
      ended.reduce((sum, one) => sum + one, 0),
      5,
    );
    t.is((await store.db('audit_events').where({ user_id: user.id, type: 'session_ended' })).length, 5);
  }
});

/** All kinds of changes for one user at once; each element is a transaction of its own. */
function everythingAtOnce(nodes: Knex[], sessions: Session[], devices: string[], client_id: string) {
  const user_id = sessions[0]?.user_id ?? '';
  const node = (i: number) => nodes[i % nodes.length] as Knex;
  const login = async (i: number) => {
    const device = await registerDevice(node(i), user_id, { device_id: `device-${i % 2}` });
    const input = newSession({ id: user_id }, { client_id });
    return await openSession(node(i + 1), { ...input, device_id: device?.id ?? null });
  };
  return [
    ...sessions.map((session, i) => rotate(node(i), present(session, 0))),
    ...sessions.map((session, i) => rotate(node(i + 1), present(session, 1))),
    ...Array.from({ length: 6 }, (_, i) => login(i)),
    endAllSessions(node(0), user_id, { reason: 'logout_all', actor: 'user' }),
    endAllSessions(
      node(1),
      user_id,
      { reason: 'password_changed', actor: 'user' },
      { session_id: sessions[0]?.id ?? null },
    ),
    changeUserStatus(node(2), user_id, { status: 'banned', ...byAdmin }),
    changeUserStatus(node(0), user_id, { status: 'active', ...byAdmin }),
    ...sessions.map((session) => endSession(node(1), session.id, { reason: 'logout', actor: 'user' })),
    ...devices.map((device) => removeDevice(node(2), user_id, device, { actor: 'user' })),
  ];
}

testOnStores('concurrent reuse, logins, logouts and bans of one user do not deadlock', async (t, store) => {
  const nodes = await openDatabases(t, store, 3);
  await warm(nodes, 6);
  const client = await makeClient(store.db);
  const failures: unknown[] = [];
  for (let round = 0; round < (store.name === 'postgres' ? 12 : 2); round += 1) {
    const user = await makeUser(store.db);
    const sessions: Session[] = [];
    const devices: string[] = [];
    for (const device_id of ['device-0', 'device-1']) {
      const device = await registerDevice(store.db, user.id, { device_id });
      devices.push(device?.id ?? '');
      for (let i = 0; i < 2; i += 1) {
        const session = await openTestSession(store.db, { user, client, device_id: device?.id ?? null });
        await rotate(store.db, present(session, 0));
        sessions.push(session);
      }
    }
    const work = everythingAtOnce(nodes, sessions, devices, client.client_id);
    const settled = await Promise.allSettled(work);
    failures.push(...settled.flatMap((one) => (one.status === 'rejected' ? [one.reason] : [])));
  }
  t.deepEqual(failures, []);
});
