// The ring of a session's last rotations: what it keeps, in whatever order it is written, and when it goes.
import { deleteClient } from '../../../src/core/actions/delete_client.ts';
import { changeUserStatus } from '../../../src/core/actions/user_status.ts';
import { recordEvents } from '../../../src/core/audit/audit.ts';
import type { AuditEvent } from '../../../src/core/audit/audit_events.ts';
import { toEventRow } from '../../../src/core/audit/audit_events.ts';
import { sweep } from '../../../src/core/operations/sweep.ts';
import type { RequestSource } from '../../../src/core/request_source.ts';
import { endSession } from '../../../src/core/sessions/end_sessions.ts';
import { listRotations, writeRotations } from '../../../src/core/sessions/session_rotations.ts';
import type { Session } from '../../../src/core/sessions/sessions.ts';
import type { Db } from '../../../src/core/store/db.ts';
import { newId } from '../../../src/lib/ids.ts';
import { after, makeClient, makeUser, openTestSession, source } from '../../helpers/builders.ts';
import { rowsOf } from '../../helpers/rows.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { openDatabases } from '../../helpers/tables.ts';

const start = new Date('2030-01-01T00:00:00.250Z');
const thief = { ip: '198.51.100.66', user_agent: 'curl/8.0' };

type From = Pick<RequestSource, 'ip' | 'user_agent'>;

/** The event of the rotation that made `generation`, as many seconds after the start. */
function rotated({ id }: Pick<Session, 'id'>, generation: number, from: From = source): AuditEvent {
  const event = { type: 'refresh_token_rotated', session_id: id, detail: { generation } } as const;
  return toEventRow({ ...event, ip: from.ip, user_agent: from.user_agent }, after(start, generation));
}

async function generations(db: Db, { id }: Pick<Session, 'id'>): Promise<number[]> {
  return (await listRotations(db, id)).map(({ generation }) => generation);
}

testOnStores('the ring has the last eight rotations of each session, newest first', async (t, { db }) => {
  const [session, other] = [await openTestSession(db), await openTestSession(db)];
  await writeRotations(
    db,
    [1, 2, 3].map((generation) => rotated(session, generation)),
  );
  t.deepEqual(await generations(db, session), [3, 2, 1]);
  await writeRotations(db, [
    rotated(other, 1, thief),
    ...Array.from({ length: 30 }, (_, i) => rotated(session, 4 + i)),
  ]);
  t.deepEqual(await generations(db, session), [33, 32, 31, 30, 29, 28, 27, 26]);
  t.deepEqual(await listRotations(db, other.id), [{ generation: 1, rotated_at: after(start, 1), ...thief }]);
  t.is((await db('session_rotations')).length, 9);
});

testOnStores(
  'each rotation keeps its own address and user agent, whatever the session has later',
  async (t, { db }) => {
    const session = await openTestSession(db);
    const { request_id: _, ...own } = source;
    const none = { ip: null, user_agent: null };
    await writeRotations(db, [rotated(session, 1), rotated(session, 2, thief), rotated(session, 3, none)]);
    await db('sessions').where({ id: session.id }).update(thief);
    await writeRotations(db, [rotated(session, 4, thief), rotated(session, 5)]);
    const shown = await listRotations(db, session.id);
    t.deepEqual(
      shown.map(({ ip, user_agent }) => ({ ip, user_agent })),
      [own, thief, none, thief, own],
    );
    const stored = await rowsOf(db('session_rotations').orderBy('generation'));
    t.deepEqual(
      stored.map(({ ip, user_agent }) => [ip, user_agent]),
      [
        [null, null],
        [thief.ip, thief.user_agent],
        ['', ''],
        [thief.ip, thief.user_agent],
        [null, null],
      ],
      'where it is the one of the login, no text is stored',
    );
  },
);

testOnStores('a session without a login address stores where each rotation came from', async (t, { db }) => {
  const session = await openTestSession(db);
  // As the previous version opens it.
  await db('sessions').where({ id: session.id }).update({ login_ip: null, login_user_agent: null });
  await writeRotations(db, [rotated(session, 1), rotated(session, 2, { ip: null, user_agent: null })]);
  t.deepEqual(
    (await listRotations(db, session.id)).map(({ ip, user_agent }) => [ip, user_agent]),
    [
      [null, null],
      [source.ip, source.user_agent],
    ],
  );
});

testOnStores('a later rotation stays, in whatever order two nodes write', async (t, store) => {
  const nodes = await openDatabases(t, store, 2);
  const sessions: Session[] = [];
  for (let i = 0; i < 6; i += 1) sessions.push(await openTestSession(store.db));
  const all = sessions.flatMap((session) => Array.from({ length: 40 }, (_, i) => rotated(session, i + 1)));
  // Both have every other rotation of each session; one begins with the newest.
  const [odd, even] = [1, 0].map((rest) => all.filter((_, i) => i % 2 === rest)) as [
    AuditEvent[],
    AuditEvent[],
  ];
  const write = async (db: Db, rotations: AuditEvent[]) => {
    for (let from = 0; from < rotations.length; from += 20)
      await writeRotations(db, rotations.slice(from, from + 20));
  };
  const [one, two] = nodes as [Db, Db];
  await Promise.all([write(one, odd), write(two, even.toReversed()), write(one, even)]);
  for (const session of sessions)
    t.deepEqual(await generations(store.db, session), [40, 39, 38, 37, 36, 35, 34, 33]);
  await write(two, odd);
  t.is((await store.db('session_rotations')).length, 48, 'what is written again changes nothing');
});

testOnStores('more rotations than one statement takes are all written', async (t, { db }) => {
  const [user, client] = [await makeUser(db), await makeClient(db)];
  const sessions: Session[] = [];
  for (let i = 0; i < 60; i += 1) sessions.push(await openTestSession(db, { user, client }));
  await writeRotations(
    db,
    [8, 3, 7, 2].flatMap((generation) => sessions.map((session) => rotated(session, generation))),
  );
  for (const session of sessions) t.deepEqual(await generations(db, session), [8, 7, 3, 2]);
});

testOnStores('rotations of sessions that are gone are left out, the others written', async (t, { db }) => {
  const [session, ended] = [await openTestSession(db), await openTestSession(db)];
  await endSession(db, ended.id, { reason: 'reuse_detected', actor: 'system' });
  await writeRotations(db, [rotated(session, 1), rotated({ id: newId() }, 1), rotated(ended, 1, thief)]);
  t.deepEqual(await generations(db, session), [1]);
  t.deepEqual(await generations(db, ended), [1], 'the last rotation before the end is what users look for');
  t.is((await db('session_rotations')).length, 2);
});

testOnStores('rotations from before the ring are read from the trail', async (t, { db }) => {
  const session = await openTestSession(db);
  const trail = async (generation: number) => {
    const event = { type: 'refresh_token_rotated', session_id: session.id, detail: { generation } } as const;
    await recordEvents(db, [{ ...event, ...thief }], after(start, generation));
  };
  for (let generation = 1; generation <= 10; generation += 1) await trail(generation);
  t.deepEqual(await generations(db, session), [10, 9, 8, 7, 6, 5, 4, 3]);
  await writeRotations(
    db,
    [11, 12, 14].map((generation) => rotated(session, generation)),
  );
  // By a node of the previous version, beside one of this.
  await trail(13);
  t.deepEqual(await generations(db, session), [14, 13, 12, 11, 10, 9, 8, 7]);
  const [, thirteenth] = await listRotations(db, session.id);
  t.deepEqual(thirteenth, { generation: 13, rotated_at: after(start, 13), ...thief });
  await trail(14);
  t.is((await generations(db, session)).filter((one) => one === 14).length, 1, 'one in both is shown once');
});

testOnStores('the sweep removes rotations with their session, and those left behind', async (t, { db }) => {
  const now = after(start, 40 * 86_400);
  const [user, client] = [await makeUser(db), await makeClient(db)];
  const open = async (at: Date) => await openTestSession(db, { user, client, idle_ttl: 86_400 }, at);
  const [dead, gone] = [await open(start), await open(after(start, 1))];
  const [also, young] = [await open(after(start, 2)), await open(after(now, -60))];
  const all = [dead, gone, also, young];
  await writeRotations(
    db,
    all.flatMap((session) => [1, 2].map((generation) => rotated(session, generation))),
  );
  // As after a write that began before the session was removed.
  await db('sessions').where({ id: gone.id }).delete();
  t.like(await sweep(db, { auditRetention: 1, batch: 1, dryRun: true }, now), { sessions: 2 });
  t.is((await db('session_rotations')).length, 8);
  t.like(await sweep(db, { auditRetention: 1, batch: 1 }, now), { sessions: 2 });
  t.deepEqual([...new Set((await db('session_rotations')).map((one) => one.session_id))], [young.id]);
});

testOnStores('rotations go with the client of their session', async (t, { db }) => {
  const [kept, removed] = [await openTestSession(db), await openTestSession(db)];
  await writeRotations(db, [rotated(kept, 1), rotated(removed, 1), rotated(removed, 2)]);
  await deleteClient(db, removed.client_id, { actor: 'system' });
  t.deepEqual(
    (await db('session_rotations')).map((one) => one.session_id),
    [kept.id],
  );
});

testOnStores('a deleted user’s rotations are erased, and none is written later', async (t, { db }) => {
  const user = await makeUser(db);
  const [session, other] = [await openTestSession(db, { user }), await openTestSession(db)];
  await writeRotations(db, [rotated(session, 1, thief), rotated(other, 1, thief)]);
  await changeUserStatus(db, user.id, { status: 'deleted', actor: 'system' });
  await writeRotations(db, [rotated(session, 2, thief), rotated(other, 2)]);
  t.deepEqual([...new Set((await db('session_rotations')).map((one) => one.session_id))], [other.id]);
  const row = await db('sessions').where({ id: session.id }).first('ip', 'login_ip', 'login_user_agent');
  t.deepEqual(row, { ip: null, login_ip: null, login_user_agent: null });
});
