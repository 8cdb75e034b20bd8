import {
  type AuditEvent,
  createAuditBatch,
  dateEventsBy,
  listSessionEvents,
  type NewEvent,
  onAuditEvent,
  recordEvents,
} from '../../../src/core/audit/audit.ts';
import { openDatabase } from '../../../src/core/store/db.ts';
import { firstIdOf, newId } from '../../../src/lib/ids.ts';
import { createLog, type Log } from '../../../src/lib/log.ts';
import { after, source } from '../../helpers/builders.ts';
import { rowOf } from '../../helpers/rows.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { until } from '../../helpers/until.ts';

const log = createLog({ level: 'silent' });
const at = new Date('2030-01-01T00:00:00.250Z');
const rotation: NewEvent = { type: 'refresh_token_rotated' };

testOnStores(
  'an event is stored with all that it says, and null for all that it does not',
  async (t, { db }) => {
    const full = {
      type: 'user_status_changed',
      user_id: newId(),
      session_id: newId(),
      client_id: 'shop',
      actor: 'admin',
      actor_id: newId(),
      reason: 'spam',
      ...source,
      detail: { status: 'banned', list: [1, { a: null }] },
    } satisfies NewEvent;
    await recordEvents(db, [full, rotation], at);
    await recordEvents(db, [], at);
    const events: AuditEvent[] = await db('audit_events').orderBy('type', 'desc');
    const blank = Object.fromEntries(Object.keys(full).map((name) => [name, null]));
    t.deepEqual(
      events.map(({ id: _, ...event }) => event),
      [{ ...full, created_at: at }, { ...blank, ...rotation, created_at: at } as never],
    );
    t.not(events[0]?.id, events[1]?.id);
  },
);

testOnStores('events stand or fall with the transaction that they are recorded in', async (t, { db }) => {
  const rolledBack = db.transaction(async (tx) => {
    await recordEvents(tx, [rotation]);
    t.is((await tx('audit_events')).length, 1);
    throw new Error('never mind');
  });
  await t.throwsAsync(rolledBack, { message: 'never mind' });
  t.deepEqual(await db('audit_events'), []);
  await db.transaction((tx) => recordEvents(tx, [rotation]));
  t.is((await db('audit_events')).length, 1);
});

testOnStores("a session's last events are listed newest first, and nobody else's", async (t, { db }) => {
  const session_id = newId();
  for (let i = 0; i < 5; i += 1) {
    await recordEvents(db, [{ ...rotation, session_id, reason: String(i) }], after(at, i));
    await recordEvents(
      db,
      [
        { type: 'session_opened', session_id },
        { ...rotation, session_id: newId() },
      ],
      after(at, i),
    );
  }
  const events = await listSessionEvents(db, session_id, 'refresh_token_rotated', 3);
  t.deepEqual(
    events.map((event) => [event.reason, event.created_at]),
    [
      ['4', after(at, 4)],
      ['3', after(at, 3)],
      ['2', after(at, 2)],
    ],
  );
});

testOnStores('a batch writes when it is told to, each event once', async (t, { db }) => {
  const batch = createAuditBatch(db, log, { interval: 60_000 });
  const count = async () => (await db('audit_events')).length;
  for (let i = 0; i < 120; i += 1) batch.add({ ...rotation, reason: String(i) });
  t.is(await count(), 0, 'not before');
  await Promise.all([batch.flush(), batch.flush(), batch.flush()]);
  t.is(await count(), 120);
  await batch.flush();
  t.is(await count(), 120);
  batch.add(rotation);
  await batch.close();
  t.is(await count(), 121, 'closing writes what waits');
});

testOnStores('a batch writes by itself when it is full or when its time has come', async (t, { db }) => {
  const reaches = async (wanted: number) => {
    const count = async () => (await db('audit_events')).length;
    await until(async () => (await count()) >= wanted, `${wanted} events are written`);
    return await count();
  };
  const full = createAuditBatch(db, log, { interval: 60_000, size: 3 });
  for (let i = 0; i < 4; i += 1) full.add(rotation);
  // The write begins after the turn in which the third was added, and takes the fourth along.
  t.is(await reaches(3), 4);
  const timed = createAuditBatch(db, log, { interval: 20 });
  timed.add(rotation);
  t.is(await reaches(5), 5);
  await Promise.all([full.close(), timed.close()]);
});

testOnStores(
  'the time of a batched event is when it happened, not when it was written',
  async (t, { db }) => {
    const batch = createAuditBatch(db, log, { interval: 60_000 });
    const before = Date.now();
    batch.add(rotation);
    const happened = Date.now();
    await until(() => Date.now() > happened + 20);
    await batch.close();
    const { created_at } = await rowOf(db('audit_events').first());
    t.true(created_at.getTime() >= before && created_at.getTime() <= happened);
  },
);

testOnStores('events that cannot be written wait until they can', async (t, { db }) => {
  const batch = createAuditBatch(db, log, { interval: 60_000 });
  batch.add({ ...rotation, reason: 'first' });
  await db.schema.renameTable('audit_events', 'away');
  await t.notThrowsAsync(batch.flush());
  batch.add({ ...rotation, reason: 'second' });
  await db.schema.renameTable('away', 'audit_events');
  await batch.close();
  t.deepEqual((await db('audit_events')).map((event) => event.reason).sort(), ['first', 'second']);
});

testOnStores('what was recorded can be changed by nobody', async (t, { db }) => {
  await recordEvents(db, [{ ...rotation, reason: 'true' }]);
  await t.throwsAsync(db('audit_events').update({ reason: 'false' }), { message: /append-only/ });
  t.is((await rowOf(db('audit_events').first())).reason, 'true');
});

testOnStores('listeners hear of an event once it is certain, and of no other', async (t, { db }) => {
  const heard: (string | null | undefined)[] = [];
  const mine = newId();
  t.teardown(
    onAuditEvent(db, (event) => {
      if (event.session_id === mine) heard.push(event.reason);
    }),
  );
  const event = (reason: string): NewEvent => ({ ...rotation, session_id: mine, reason });
  await t.throwsAsync(
    db.transaction(async (tx) => {
      await recordEvents(tx, [event('rolled back')]);
      throw new Error('never mind');
    }),
  );
  await db.transaction(async (tx) => {
    await recordEvents(tx, [event('committed')]);
    t.deepEqual(heard, [], 'not before the commit');
  });
  await recordEvents(db, [event('alone')]);
  t.deepEqual(heard, ['committed', 'alone']);
});

testOnStores('listeners hear only what is recorded by way of their own handle', async (t, { db, url }) => {
  const other = openDatabase(url);
  t.teardown(() => other.destroy());
  const heard: string[] = [];
  t.teardown(onAuditEvent(db, (event) => heard.push(`here: ${event.reason}`)));
  t.teardown(onAuditEvent(other, (event) => heard.push(`there: ${event.reason}`)));
  await recordEvents(db, [{ ...rotation, reason: 'alone' }]);
  await db.transaction(async (tx) => {
    await tx.transaction(async (inner) => await recordEvents(inner, [{ ...rotation, reason: 'nested' }]));
    t.deepEqual(heard, ['here: alone'], 'not before the outer one is committed');
  });
  const batch = createAuditBatch(other, log, { interval: 60_000 });
  batch.add({ ...rotation, reason: 'batched' });
  await batch.close();
  t.deepEqual(heard, ['here: alone', 'here: nested', 'there: batched']);
});

testOnStores('events are dated by the clock that their handle was given', async (t, { db }) => {
  dateEventsBy(db, () => at.getTime());
  await db.transaction(async (tx) => await recordEvents(tx, [rotation]));
  const batch = createAuditBatch(db, log, { interval: 60_000 });
  batch.add(rotation);
  await batch.close();
  const events = await db('audit_events');
  t.deepEqual(
    events.map((event) => [event.created_at, event.id.slice(0, 13)]),
    [0, 1].map(() => [at, firstIdOf(at).slice(0, 13)]),
  );
});

testOnStores(
  'what no longer fits while the database takes nothing is counted and said',
  async (t, { db }) => {
    const dropped: number[] = [];
    const lines: object[] = [];
    const listening = { ...log, error: (line: object) => lines.push(line) } as unknown as Log;
    const batch = createAuditBatch(db, listening, {
      interval: 60_000,
      capacity: 3,
      onDropped: (count) => dropped.push(count),
    });
    await db.schema.renameTable('audit_events', 'away');
    for (let i = 0; i < 5; i += 1) batch.add({ ...rotation, reason: String(i) });
    await batch.flush();
    await db.schema.renameTable('away', 'audit_events');
    await batch.close();
    t.deepEqual(dropped, [2]);
    t.deepEqual(lines.slice(1), [{ dropped: 2, capacity: 3 }]);
    t.deepEqual((await db('audit_events')).map((event) => event.reason).sort(), ['2', '3', '4']);
  },
);

testOnStores('an event may quote whatever a stranger sent', async (t, { db }) => {
  const event = { type: 'login_failed', detail: { login: 'a\0\ud800b' } } as const;
  await recordEvents(db, [event]);
  const batch = createAuditBatch(db, log, { interval: 60_000 });
  batch.add(event);
  batch.add({ type: 'login_failed' });
  await batch.close();
  const details = (await db('audit_events')).map(({ detail }) => detail?.login ?? null);
  t.deepEqual(details.toSorted(), ['a\ufffd\ufffdb', 'a\ufffd\ufffdb', null]);
});
