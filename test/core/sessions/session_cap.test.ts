// The cap on live sessions of one user with one client: exact, and decided with the login itself.
import type { Knex } from 'knex';
import { saveRecord } from '../../../src/core/engine_records/save_record.ts';
import { exchangeCode } from '../../../src/core/sessions/exchange_code.ts';
import { openSession } from '../../../src/core/sessions/open_session.ts';
import type { Session } from '../../../src/core/sessions/sessions.ts';
import { registerDevice } from '../../../src/core/users/devices.ts';
import {
  after,
  keyring,
  makeClient,
  makeUser,
  newSession,
  openTestSession,
  present,
  source,
} from '../../helpers/builders.ts';
import { multiplySession } from '../../helpers/many_sessions.ts';
import { rotate } from '../../helpers/rotate.ts';
import { rowOf } from '../../helpers/rows.ts';
import { testOnStores } from '../../helpers/stores.ts';

async function liveOf(
  db: Knex,
  { user_id, client_id }: Pick<Session, 'user_id' | 'client_id'>,
): Promise<string[]> {
  return await db('sessions').where({ user_id, client_id }).whereNull('ended_at').orderBy('id').pluck('id');
}

testOnStores(
  'of 50 logins at once none is refused, and as many sessions as the cap allows live',
  async (t, { db }) => {
    const user = await makeUser(db);
    const client = await makeClient(db);
    const input = { ...newSession(user, client), max_sessions: 3 };
    const opened = await Promise.all(Array.from({ length: 50 }, () => openSession(db, input)));
    t.true(opened.every((one) => one !== null));
    const live = await liveOf(db, { user_id: user.id, client_id: client.client_id });
    t.is(live.length, 3);
    const ended = await db('sessions').where({ user_id: user.id }).whereNotNull('ended_at');
    t.deepEqual(
      [...new Set(ended.map((one) => `${one.ended_reason} ${one.ended_by}`))],
      ['cap_evicted system'],
    );
    const events = await db('audit_events').where({ user_id: user.id, type: 'session_ended' });
    t.deepEqual([events.length, events[0]?.reason, events[0]?.ip], [47, 'cap_evicted', source.ip]);
  },
);

testOnStores('of 50 exchanges of codes at once none is refused, and the cap is exact', async (t, { db }) => {
  const user = await makeUser(db);
  const client = await makeClient(db);
  const codes = await Promise.all(
    Array.from({ length: 50 }, async (_, n) => {
      const session = await openTestSession(db, { user, client, token_payload: { authTime: n } });
      const payload = { jti: `code ${n}`, grantId: session.id, accountId: user.id };
      await saveRecord(db, keyring, { model: 'AuthorizationCode', id: `code ${n}`, payload, ttl: 60 });
      return { session, handle: `code ${n}` };
    }),
  );
  t.is(
    (await liveOf(db, { user_id: user.id, client_id: client.client_id })).length,
    50,
    'codes do not count',
  );
  const outcomes = await Promise.all(
    codes.map(async ({ session, handle }) => {
      const completion = { session, token_payload: { gty: 'authorization_code' }, idle_ttl: 1_000 };
      const { id, user_id, client_id } = session;
      const capped = { id, user_id, client_id, max_sessions: 2, source };
      return await exchangeCode(db, { model: 'AuthorizationCode', handle }, completion, { capped });
    }),
  );
  t.deepEqual([...new Set(outcomes)], ['exchanged']);
  t.is((await liveOf(db, { user_id: user.id, client_id: client.client_id })).length, 2);
});

testOnStores('the session unused for longest ends, however old it is', async (t, { db }) => {
  const user = await makeUser(db);
  const client = await makeClient(db);
  const at = new Date();
  const old = await openTestSession(db, { user, client }, after(at, -300));
  const idle = await openTestSession(db, { user, client }, after(at, -200));
  const elsewhere = await openTestSession(db, { user }, after(at, -400));
  const stranger = await openTestSession(db, { client }, after(at, -400));
  t.is((await rotate(db, present(old, 0), after(at, -100))).outcome, 'rotated');
  const next = await openTestSession(db, { user, client, max_sessions: 2 }, at);
  t.deepEqual(await liveOf(db, next), [old.id, next.id].toSorted());
  const row = await rowOf(db('sessions').where({ id: idle.id }).first());
  t.deepEqual([row.ended_reason, row.ended_at], ['cap_evicted', at]);
  for (const one of [elsewhere, stranger]) t.deepEqual(await liveOf(db, one), [one.id]);
});

testOnStores('sessions that have expired or wait for their code do not count', async (t, { db }) => {
  const user = await makeUser(db);
  const client = await makeClient(db);
  const expired = await openTestSession(db, { user, client, idle_ttl: 1 }, new Date(0));
  const waiting = await openTestSession(db, { user, client, token_payload: { authTime: 1 } });
  const first = await openTestSession(db, { user, client, max_sessions: 2 });
  const second = await openTestSession(db, { user, client, max_sessions: 2 });
  t.deepEqual(await liveOf(db, first), [expired, waiting, first, second].map((one) => one.id).toSorted());
});

testOnStores(
  'an evicted session clears the push token of its device and notifies its client',
  async (t, { db }) => {
    const user = await makeUser(db);
    const client = await makeClient(db, { backchannel_logout_uri: 'https://app.example/logout' });
    const device = await registerDevice(db, user.id, { device_id: 'phone', push_token: 'push' });
    await openTestSession(db, { user, client, device_id: device?.id ?? null });
    await openTestSession(db, { user, client, max_sessions: 1 });
    t.is((await rowOf(db('devices').where({ user_id: user.id }).first())).push_token, null);
    t.is((await db('outbox').where({ client_id: client.client_id })).length, 1);
  },
);

testOnStores(
  'under a cap that is new, thousands of sessions end in batches before the answer',
  async (t, { db }) => {
    const user = await makeUser(db);
    const client = await makeClient(db);
    const busy = await openTestSession(db, { user, client }, new Date(Date.now() - 60_000));
    await multiplySession(db, busy.id, 1_200);
    const next = await openTestSession(db, { user, client, max_sessions: 5 });
    const live = await liveOf(db, next);
    t.is(live.length, 5);
    t.true(live.includes(next.id));
  },
);

testOnStores('a banned user’s login evicts nothing', async (t, { db }) => {
  const user = await makeUser(db);
  const client = await makeClient(db);
  const before = await openTestSession(db, { user, client });
  await db('users').where({ id: user.id }).update({ status: 'banned' });
  t.is(await openSession(db, { ...newSession(user, client), max_sessions: 1 }), null);
  const gone = { ...newSession(user, { client_id: 'gone' }), max_sessions: 1 };
  await db('users').where({ id: user.id }).update({ status: 'active' });
  t.is(await openSession(db, gone), null);
  t.deepEqual(await liveOf(db, before), [before.id]);
});

testOnStores(
  'the new session stays, also beside one that was used later by another clock',
  async (t, { db }) => {
    const [user, client] = [await makeUser(db), await makeClient(db)];
    const early = await openTestSession(db, { user, client, token_payload: { gty: 'password' } });
    await db('sessions')
      .where({ id: early.id })
      .update({ last_used_at: after(new Date(), 60) });
    const opened = await openSession(db, { ...newSession(user, client), max_sessions: 1 });
    t.deepEqual(await liveOf(db, { user_id: user.id, client_id: client.client_id }), [opened?.id]);
  },
);
