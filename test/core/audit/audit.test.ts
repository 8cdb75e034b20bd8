import { onAuditEvent, recordEvents, setEventClock } from '../../../src/core/audit/audit.ts';
import { createAuditBatch } from '../../../src/core/audit/audit_batch.ts';
import type { AuditEvent, NewEvent } from '../../../src/core/audit/audit_events.ts';
import { openDatabase } from '../../../src/core/store/db.ts';
import { firstIdOf, newId } from '../../../src/lib/ids.ts';
import { createLog } from '../../../src/lib/log.ts';
import { source } from '../../helpers/builders.ts';
import { rowOf } from '../../helpers/rows.ts';
import { testOnStores } from '../../helpers/stores.ts';

const log = createLog({ level: 'silent' });
const at = new Date('2030-01-01T00:00:00.250Z');
const rotation: NewEvent = { type: 'refresh_token_rotated' };

testOnStores('an event is stored with all its members, and null for absent ones', async (t, { db }) => {
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
});

testOnStores('events are committed or rolled back with their transaction', async (t, { db }) => {
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

testOnStores('a recorded event cannot be changed', async (t, { db }) => {
  await recordEvents(db, [{ ...rotation, reason: 'true' }]);
  await t.throwsAsync(db('audit_events').update({ reason: 'false' }), { message: /append-only/ });
  t.is((await rowOf(db('audit_events').first())).reason, 'true');
});

testOnStores(
  'listeners receive an event after its commit, and no event that is rolled back',
  async (t, { db }) => {
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
  },
);

testOnStores(
  'listeners receive only the events that are recorded through their own handle',
  async (t, { db, url }) => {
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
  },
);

testOnStores('events have the time of the clock of their handle', async (t, { db }) => {
  setEventClock(db, () => at.getTime());
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

testOnStores('an event can quote any text from a request', async (t, { db }) => {
  const event = { type: 'login_failed', detail: { login: 'a\0\ud800b' } } as const;
  await recordEvents(db, [event]);
  const batch = createAuditBatch(db, log, { interval: 60_000 });
  batch.add(event);
  batch.add({ type: 'login_failed' });
  await batch.close();
  const details = (await db('audit_events')).map(({ detail }) => detail?.login ?? null);
  t.deepEqual(details.toSorted(), ['a\ufffd\ufffdb', 'a\ufffd\ufffdb', null]);
});
