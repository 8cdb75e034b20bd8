import type { Knex } from 'knex';
import { endSession } from '../../../src/core/sessions/end_sessions.ts';
import { findSession } from '../../../src/core/sessions/find_session.ts';
import type { Session } from '../../../src/core/sessions/sessions.ts';
import { findUser } from '../../../src/core/users/users.ts';
import { newId } from '../../../src/lib/ids.ts';
import { after, makeUser, openTestSession, present, source } from '../../helpers/builders.ts';
import { type Presented, type Rotation, rotate } from '../../helpers/rotate.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { readTables } from '../../helpers/tables.ts';

const login = new Date('2030-01-01T00:00:00.250Z');
const window: Partial<Presented> = { retry_window: 60 };

/** A session that was rotated `generation` times, a second apart: the last time `generation` seconds after login. */
async function rotatedSession(db: Knex, generation: number): Promise<Session> {
  const session = await openTestSession(db, {}, login);
  for (let g = 0; g < generation; g += 1) await rotate(db, present(session, g), after(login, g + 1));
  return session;
}

/** Presents a generation of `session` at a number of seconds after login. */
function useAt(db: Knex, session: Session, generation: number, seconds: number, given?: Partial<Presented>) {
  return rotate(db, present(session, generation, given), after(login, seconds));
}

const rotated = (generation: number): Rotation => ({ outcome: 'rotated', generation });
const retried = (generation: number): Rotation => ({ outcome: 'retried', generation });

testOnStores('each use of the current token issues the next one', async (t, { db }) => {
  const session = await openTestSession(db, {}, login);
  t.deepEqual(await useAt(db, session, 0, 10), rotated(1));
  const from = { ip: '2001:db8::9', user_agent: 'elsewhere', request_id: 'r' };
  t.deepEqual(await useAt(db, session, 1, 20.5, { source: from }), rotated(2));
  const now = after(login, 20.5);
  t.deepEqual(await db('sessions').where({ id: session.id }).first(), {
    ...session,
    generation: 2,
    rotated_at: now,
    last_used_at: now,
    ip: from.ip,
    user_agent: from.user_agent,
  });
});

for (const { title, presented } of [
  { title: 'the predecessor', presented: 3 },
  { title: 'the one before', presented: 2 },
  { title: 'the very first token', presented: 0 },
]) {
  testOnStores(`${title} ends the session and makes access tokens inactive`, async (t, { db }) => {
    const session = await rotatedSession(db, 4);
    const user = await findUser(db, session.user_id);
    const other = await openTestSession(db, user ? { user } : {}, login);
    const now = after(login, 10);
    t.deepEqual(await useAt(db, session, presented, 10), { outcome: 'reused' });

    const { ended_at, ended_reason, ended_by, ended_by_id, generation, token_version } =
      (await findSession(db, session.id)) ?? {};
    t.deepEqual(
      { ended_at, ended_reason, ended_by, ended_by_id, generation, token_version },
      {
        ended_at: now,
        ended_reason: 'reuse_detected',
        ended_by: 'system',
        ended_by_id: null,
        generation: 4,
        token_version: 1,
      },
    );
    const events = await db('audit_events')
      .where({ session_id: session.id })
      .whereNot({ type: 'session_opened' });
    const { user_id, client_id } = session;
    const shared = { created_at: now, user_id, session_id: session.id, client_id, ...source };
    t.deepEqual(
      events.map(({ id: _, ...event }) => event).sort((a, b) => a.type.localeCompare(b.type)),
      [
        {
          ...shared,
          type: 'refresh_token_reused',
          actor: 'client',
          actor_id: client_id,
          reason: null,
          detail: { presented_generation: presented, current_generation: 4 },
        },
        {
          ...shared,
          type: 'session_ended',
          actor: 'system',
          actor_id: null,
          reason: 'reuse_detected',
          detail: null,
        },
      ],
    );
    t.deepEqual(
      await useAt(db, session, 4, 11),
      { outcome: 'ended' },
      'the session ends for the thief and the owner alike',
    );
    t.deepEqual(await useAt(db, other, 0, 12), rotated(1), "the user's other device goes on");
  });
}

testOnStores('reuse leaves access tokens alone when configured so', async (t, { db }) => {
  const session = await rotatedSession(db, 2);
  t.deepEqual(await useAt(db, session, 0, 5, { raise_token_version: false }), { outcome: 'reused' });
  const { ended_reason, token_version } = (await findSession(db, session.id)) ?? {};
  t.deepEqual({ ended_reason, token_version }, { ended_reason: 'reuse_detected', token_version: 0 });
});

testOnStores('the retry window begins at the rotation and does not slide', async (t, { db }) => {
  const session = await rotatedSession(db, 1);
  const before = await readTables(db);
  for (const seconds of [1, 1.001, 30, 59, 60.999]) {
    t.deepEqual(await useAt(db, session, 0, seconds, window), retried(1), `${seconds} s after login`);
  }
  t.deepEqual(await readTables(db), before, 'a retry writes nothing');
  t.deepEqual(await useAt(db, session, 0, 61, window), { outcome: 'reused' });
});

testOnStores(
  'without a retry window the predecessor is reuse even in the same millisecond',
  async (t, { db }) => {
    const session = await rotatedSession(db, 1);
    t.deepEqual(await useAt(db, session, 0, 1), { outcome: 'reused' });
  },
);

testOnStores('each rotation begins a new retry window', async (t, { db }) => {
  const session = await rotatedSession(db, 1);
  t.deepEqual(await useAt(db, session, 1, 50, window), rotated(2));
  t.deepEqual(await useAt(db, session, 1, 109.999, window), retried(2));
});

testOnStores(
  'once the successor has been used, the retry window of its predecessor is over',
  async (t, { db }) => {
    const session = await rotatedSession(db, 1);
    t.deepEqual(await useAt(db, session, 1, 2, window), rotated(2));
    t.deepEqual(await useAt(db, session, 0, 3, window), { outcome: 'reused' });
  },
);

testOnStores(
  'a token whose rotation the database has lost is accepted, and the row catches up',
  async (t, { db }) => {
    const session = await rotatedSession(db, 5);
    await db('sessions').where({ id: session.id }).update({ generation: 2 });
    t.deepEqual(await useAt(db, session, 5, 10, window), rotated(6));
    t.is((await findSession(db, session.id))?.generation, 6);
    t.deepEqual(await useAt(db, session, 5, 20, window), retried(6));
    t.deepEqual(
      await useAt(db, session, 4, 20, window),
      { outcome: 'reused' },
      'reuse of an older token is still detected',
    );
  },
);

testOnStores('a session can be rotated up to the largest generation', async (t, { db }) => {
  const session = await rotatedSession(db, 1);
  t.deepEqual(await useAt(db, session, 2 ** 31 - 2, 5), rotated(2 ** 31 - 1));
  t.deepEqual(await useAt(db, session, 2 ** 31 - 2, 5, window), retried(2 ** 31 - 1));
});

testOnStores(
  'an observed client gets the current token for any old one, and the reuse is recorded',
  async (t, { db }) => {
    const session = await rotatedSession(db, 4);
    const row = await db('sessions').where({ id: session.id }).first();
    const observe = { observe: true, retry_window: 60 };
    t.deepEqual(
      await useAt(db, session, 3, 5, observe),
      retried(4),
      'within the window it is an ordinary retry',
    );
    for (const generation of [0, 2, 3]) {
      t.deepEqual(await useAt(db, session, generation, 500, observe), retried(4));
    }
    const events = await db('audit_events').where({ type: 'refresh_token_reuse_observed' }).orderBy('id');
    t.deepEqual(
      events.map((event) => event.detail?.presented_generation).sort(),
      [0, 2, 3],
      'the retry is not recorded as reuse',
    );
    t.deepEqual(await db('sessions').where({ id: session.id }).first(), row);
    t.is((await findUser(db, session.user_id))?.token_version, 0);
    t.deepEqual(await useAt(db, session, 4, 501, observe), rotated(5));
  },
);

testOnStores('a session unused for its idle time expires, a used one does not', async (t, { db }) => {
  const session = await openTestSession(db, { idle_ttl: 100, absolute_ttl: 1_000 }, login);
  t.deepEqual(await useAt(db, session, 0, 99.999), rotated(1));
  t.deepEqual(await useAt(db, session, 1, 199.998), rotated(2));
  t.deepEqual(await useAt(db, session, 2, 299.998), { outcome: 'expired' });
});

testOnStores('the absolute expiry never slides', async (t, { db }) => {
  const session = await openTestSession(db, { idle_ttl: 1_000, absolute_ttl: 100 }, login);
  t.deepEqual(await useAt(db, session, 0, 50), rotated(1));
  t.deepEqual(await useAt(db, session, 1, 99.999), rotated(2));
  t.deepEqual((await findSession(db, session.id))?.absolute_expires_at, after(login, 100));
  t.deepEqual(await useAt(db, session, 2, 100), { outcome: 'expired' });
  t.deepEqual(await useAt(db, session, 1, 100, window), { outcome: 'expired' }, 'even within the window');
});

testOnStores(
  'an expired or ended session gives every token the same answer and writes nothing',
  async (t, { db }) => {
    const expired = await openTestSession(db, { idle_ttl: 5 }, login);
    const ended = await rotatedSession(db, 2);
    const now = after(login, 10);
    await useAt(db, expired, 0, 1);
    await useAt(db, expired, 1, 2);
    await endSession(db, ended.id, { reason: 'logout', actor: 'user' }, after(login, 9));
    const before = await readTables(db);
    for (const given of [{}, window, { observe: true }]) {
      for (const generation of [0, 1, 2, 3]) {
        t.deepEqual(await rotate(db, present(expired, generation, given), now), { outcome: 'expired' });
        t.deepEqual(await rotate(db, present(ended, generation, given), now), { outcome: 'ended' });
      }
    }
    t.deepEqual(await readTables(db), before);
  },
);

testOnStores('a session that does not exist is unknown', async (t, { db }) => {
  await makeUser(db);
  const before = await readTables(db);
  t.deepEqual(await rotate(db, present({ id: newId() }, 0)), { outcome: 'unknown' });
  t.deepEqual(await rotate(db, present({ id: newId() }, 7, { observe: true })), { outcome: 'unknown' });
  t.deepEqual(await readTables(db), before);
});
