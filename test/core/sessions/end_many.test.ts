// Users, clients and devices with very many sessions: every ending takes effect at once, in statements of a bounded size.
import type { Knex } from 'knex';
import { loadConfig } from '../../../config/index.ts';
import { addConsent, withdrawConsent } from '../../../src/core/actions/consents.ts';
import { deleteClient } from '../../../src/core/actions/delete_client.ts';
import { logOutUser } from '../../../src/core/actions/log_out.ts';
import { changePassword } from '../../../src/core/actions/password_change.ts';
import { removeDevice } from '../../../src/core/actions/remove_device.ts';
import { changeUserStatus } from '../../../src/core/actions/user_status.ts';
import { openDeps } from '../../../src/core/deps.ts';
import { beginEndingAll, endAllSessions } from '../../../src/core/sessions/end_many.ts';
import { findSession } from '../../../src/core/sessions/find_session.ts';
import { isOver } from '../../../src/core/sessions/live_session.ts';
import { openSession } from '../../../src/core/sessions/open_session.ts';
import { finishPendingEndings } from '../../../src/core/sessions/pending_endings.ts';
import { findUserSession, listLiveSessions } from '../../../src/core/sessions/session_list.ts';
import type { Session } from '../../../src/core/sessions/sessions.ts';
import { json } from '../../../src/core/store/columns.ts';
import { findDevice } from '../../../src/core/users/device_list.ts';
import { registerDevice } from '../../../src/core/users/devices.ts';
import { findUser, lockUser, type User } from '../../../src/core/users/users.ts';
import {
  makeClient,
  makeUser,
  newSession,
  openTestSession,
  password,
  present,
} from '../../helpers/builders.ts';
import { multiplyBrowser, multiplySession } from '../../helpers/many_sessions.ts';
import { rotate } from '../../helpers/rotate.ts';
import { rowOf } from '../../helpers/rows.ts';
import { environment } from '../../helpers/server.ts';
import { testOnStores } from '../../helpers/stores.ts';

const byAdmin = { actor: 'admin' } as const;
const byUser = { actor: 'user' } as const;
const granted = { openid: ['openid'], claims: [], resources: {} };

/** A user with `count` live sessions on one device, one of which is given. */
async function makeBusyUser(db: Knex, count: number): Promise<Session> {
  const user = await makeUser(db);
  const device = await registerDevice(db, user.id, { device_id: 'phone', push_token: 'push' });
  const client = await makeClient(db, { backchannel_logout_uri: 'https://app.example/logout' });
  const session = await openTestSession(db, { user, client, device_id: device?.id ?? null });
  await multiplySession(db, session.id, count);
  return session;
}

async function requireUser(db: Knex, id: string): Promise<User> {
  const user = await findUser(db, id);
  if (!user) throw new Error('there is no such user');
  return user;
}

async function count(db: Knex, table: string, where: object): Promise<number> {
  const row = await db(table).where(where).count({ n: '*' }).first();
  return Number(row?.n);
}

/** The state that every ending leaves, whatever its cause. */
async function readEnded(db: Knex, { user_id, client_id }: Session) {
  const [user, live] = [{ user_id }, { user_id, ended_at: null }];
  return {
    live: await count(db, 'sessions', live),
    events: await count(db, 'audit_events', { ...user, type: 'session_ended' }),
    notices: await count(db, 'outbox', { client_id }),
    pushed: await count(db, 'devices', { ...user, push_token: 'push' }),
    pending: await count(db, 'pending_endings', {}),
  };
}

const allEnded = (sessions: number) => ({
  live: 0,
  events: sessions,
  notices: sessions,
  pushed: 0,
  pending: 0,
});

for (const sessions of [500, 501, 5_042, 20_000]) {
  testOnStores(`a user with ${sessions} sessions can be banned`, async (t, { db }) => {
    t.timeout(600_000);
    const session = await makeBusyUser(db, sessions);
    const { ended } = await changeUserStatus(db, session.user_id, { status: 'banned', ...byAdmin });
    t.is(ended, sessions);
    t.deepEqual(await readEnded(db, session), allEnded(sessions));
  });
}

testOnStores('a user with 5,042 sessions and browsers can be logged out', async (t, { db }) => {
  t.timeout(600_000);
  const session = await makeBusyUser(db, 5_042);
  await db('oidc_models').insert({
    model: 'Session',
    id: 'a',
    second_id: 'a',
    payload: json({}),
    user_id: session.user_id,
    session_epoch: 0,
    created_at: session.created_at,
    expires_at: session.absolute_expires_at,
  });
  await multiplyBrowser(db, 'a', 1_201);
  t.is(await logOutUser(db, session.user_id, byAdmin), 5_042);
  t.deepEqual(await readEnded(db, session), allEnded(5_042));
  t.is(await count(db, 'oidc_models', { model: 'Session' }), 0);
  const event = await rowOf(db('audit_events').where({ type: 'user_logged_out' }).first());
  t.deepEqual(event.detail, { sessions_ended_at_least: 500 });
});

testOnStores('a user with 5,042 sessions can be deleted, and nothing personal is left', async (t, { db }) => {
  t.timeout(600_000);
  const session = await makeBusyUser(db, 5_042);
  await changeUserStatus(db, session.user_id, { status: 'deleted', ...byAdmin });
  t.deepEqual(await readEnded(db, session), allEnded(5_042));
  t.is(await count(db, 'devices', { user_id: session.user_id }), 0);
  const known = await db('sessions')
    .where({ user_id: session.user_id })
    .where((one) => one.whereNotNull('ip').orWhereNotNull('user_agent').orWhereNotNull('device_id'));
  t.deepEqual(known, []);
});

testOnStores(
  'a user with 5,042 sessions can change the password and keeps the session that did it',
  async (t, store) => {
    t.timeout(600_000);
    const { db } = store;
    const session = await makeBusyUser(db, 5_042);
    const deps = await openDeps(loadConfig(environment(store.url, { LOG_LEVEL: 'silent' })));
    t.teardown(deps.close);
    const ended = await changePassword(deps, {
      user_id: session.user_id,
      asker: { session_id: session.id },
      current_password: password,
      new_password: 'another horse, another staple',
      source: { ip: '192.0.2.7', user_agent: null, request_id: null },
    });
    t.is(ended, 5_041);
    t.deepEqual(await readEnded(db, session), { ...allEnded(5_041), live: 1, pushed: 1 });
    t.is((await rotate(db, present(session, 0))).outcome, 'rotated');
  },
);

testOnStores('a device with 1,201 sessions can be removed', async (t, { db }) => {
  t.timeout(600_000);
  const session = await makeBusyUser(db, 1_201);
  t.true(await removeDevice(db, session.user_id, session.device_id ?? '', byUser));
  t.deepEqual(await readEnded(db, session), allEnded(1_201));
  t.is(await findDevice(db, session.user_id, session.device_id ?? ''), null);
});

testOnStores('a client with 5,042 sessions can be removed, each of them with an event', async (t, { db }) => {
  t.timeout(600_000);
  const session = await makeBusyUser(db, 5_042);
  const other = await openTestSession(db, { user: await requireUser(db, session.user_id) });
  t.is(await deleteClient(db, session.client_id, byAdmin), 5_042);
  t.deepEqual(await readEnded(db, session), { ...allEnded(5_042), notices: 0, live: 1 });
  t.is((await findSession(db, other.id))?.ended_at, null);
  t.is(await count(db, 'clients', { client_id: session.client_id }), 0);
  t.is(await deleteClient(db, session.client_id, byAdmin), null);
});

testOnStores(
  'an interrupted removal of a client ends no session of a later client with the same id',
  async (t, { db }) => {
    const { client_id } = await openTestSession(db);
    await deleteClient(db, client_id, byAdmin);
    const next = await dieBeforeTheLastWord(db, client_id);
    t.is(await finishPendingEndings(db), 0);
    t.is((await rotate(db, present(next, 0))).outcome, 'rotated');
    t.is(await count(db, 'clients', { client_id }), 1);
    t.is(await count(db, 'pending_endings', {}), 0);
  },
);

// Nodes of the version before this one write the source of the request as `origin`, and finish what this version left behind.
testOnStores(
  'an ending that a node of another version left behind keeps the source of its request',
  async (t, { db }) => {
    const session = await openTestSession(db);
    const origin = { ip: '203.0.113.9', user_agent: 'admin-ui', request_id: 'req-9' };
    await db('pending_endings').insert({
      id: crypto.randomUUID(),
      user_id: session.user_id,
      which: json({ kind: 'browser', user_id: session.user_id, browser_session: 'browser' }),
      ending: json({ ...byAdmin, reason: 'ended_by_admin', origin }),
      created_at: new Date(Date.now() - 61_000),
    });
    await db('sessions').where({ id: session.id }).update({ browser_session: 'browser' });
    t.is(await finishPendingEndings(db), 1);
    const event = await rowOf(
      db('audit_events').where({ session_id: session.id, type: 'session_ended' }).first(),
    );
    const { ip, user_agent, request_id } = event;
    t.deepEqual({ ip, user_agent, request_id }, origin);
  },
);

testOnStores('the rest of an ending is stored as nodes of every version read it', async (t, { db }) => {
  const session = await makeBusyUser(db, 501);
  const source = { ip: '203.0.113.9', user_agent: 'admin-ui', request_id: 'req-9' };
  await db.transaction(async (tx) => {
    await lockUser(tx, session.user_id);
    await beginEndingAll(tx, session.user_id, { ...byAdmin, reason: 'user_banned', source });
  });
  const { ending } = await rowOf(db('pending_endings').where({ user_id: session.user_id }).first());
  t.deepEqual(ending, { ...byAdmin, reason: 'user_banned', origin: source });
});

// As if a process had removed the client and died before it deleted the pending ending, and an administrator had then created a
// client with the same id.
async function dieBeforeTheLastWord(db: Knex, client_id: string): Promise<Session> {
  await db('pending_endings').insert({
    id: crypto.randomUUID(),
    which: json({ kind: 'client', client_id }),
    ending: json({ reason: 'client_deleted', ...byAdmin }),
    created_at: new Date(Date.now() - 61_000),
  });
  return await openTestSession(db, { client: await makeClient(db, { client_id }) });
}

testOnStores('a consent with 1,201 sessions can be withdrawn', async (t, { db }) => {
  t.timeout(600_000);
  const session = await makeBusyUser(db, 1_201);
  const { user_id, client_id } = session;
  await addConsent(db, user_id, client_id, granted);
  t.is(await withdrawConsent(db, user_id, client_id, byUser), 1_201);
  t.deepEqual(await readEnded(db, session), allEnded(1_201));
});

testOnStores(
  'a consent to a client that has just been removed is not stored and causes no error',
  async (t, { db }) => {
    const [user, client] = [await makeUser(db), await makeClient(db)];
    await deleteClient(db, client.client_id, byAdmin);
    t.is(await addConsent(db, user.id, client.client_id, granted), null);
    t.is(await count(db, 'consents', {}), 0);
    t.is(await count(db, 'audit_events', { type: 'consent_given' }), 0);
  },
);

testOnStores(
  'all sessions end with the decision, before their rows are marked as ended',
  async (t, { db }) => {
    const session = await makeBusyUser(db, 1_201);
    const { user_id, client_id } = session;
    const user = await requireUser(db, user_id);
    await db.transaction(async (tx) => {
      await lockUser(tx, user_id);
      await beginEndingAll(tx, user_id, { reason: 'logout_all', ...byUser });
    });
    const left = await rowOf(db('sessions').where({ user_id, ended_at: null }).first());
    t.is(await count(db, 'sessions', { user_id, ended_at: null }), 701, 'the process died after the commit');
    const found = await findSession(db, left.id);
    t.true(found && isOver(found));
    t.is((await rotate(db, present(left, 0))).outcome, 'ended');
    t.is(
      (await rotate(db, present(left, 9))).outcome,
      'ended',
      'also for a token ahead of a database that lost its last seconds',
    );
    t.deepEqual(await listLiveSessions(db, user_id), []);
    const story = await findUserSession(db, user_id, left.id);
    t.like(story, { ended_reason: 'logout_all', ended_by: 'user' });
    t.truthy(story?.ended_at);
    const held = { ...newSession({ id: user_id }, { client_id }), proved_epoch: user.session_epoch };
    t.is(await openSession(db, held), null, 'a login that was verified before the decision opens no session');

    t.is(await finishPendingEndings(db), 0, 'a live process has a minute to finish');
    await db('pending_endings').update({ created_at: new Date(Date.now() - 61_000) });
    const later = await openTestSession(db, { user });
    t.is(await finishPendingEndings(db), 701);
    t.deepEqual(await readEnded(db, session), { ...allEnded(1_201), live: 1 });
    t.is((await rotate(db, present(later, 0))).outcome, 'rotated', 'a later login stays live');
  },
);

testOnStores('sessions that had expired do not count as ended', async (t, { db }) => {
  const at = new Date(Date.now() - 86_400_000);
  const user = await makeUser(db);
  const expired = await openTestSession(db, { user, idle_ttl: 60 }, at);
  await multiplySession(db, expired.id, 600);
  t.is(await endAllSessions(db, user.id, { reason: 'logout_all', ...byUser }), 0);
  t.is(await count(db, 'audit_events', { type: 'session_ended' }), 0);
  const session = await findSession(db, expired.id);
  t.like(session, { ended_reason: 'expired', ended_by: 'system' });
  t.deepEqual(session?.ended_at, new Date(at.getTime() + 60_000));
});

testOnStores(
  'a session that a node of the previous version opens has the epoch of its user',
  async (t, { db }) => {
    const session = await openTestSession(db);
    await endAllSessions(db, session.user_id, { reason: 'logout_all', ...byUser });
    const { session_epoch: _new, ...columns } = session;
    const old = {
      ...columns,
      id: crypto.randomUUID(),
      grant_payload: json(columns.grant_payload),
      token_payload: json(columns.token_payload),
    };
    await db('sessions').insert(old);
    t.is((await rotate(db, present(old, 0))).outcome, 'rotated');
    await endAllSessions(db, session.user_id, { reason: 'logout_all', ...byUser });
    t.is((await rotate(db, present(old as never, 1))).outcome, 'ended');
  },
);
