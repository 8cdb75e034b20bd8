import { createAuditBatch } from '../../../src/core/audit/audit_batch.ts';
import type { NewEvent } from '../../../src/core/audit/audit_events.ts';
import { createLog, type Log } from '../../../src/lib/log.ts';
import { rowOf } from '../../helpers/rows.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { until } from '../../helpers/until.ts';

const log = createLog({ level: 'silent' });
const rotation: NewEvent = { type: 'refresh_token_rotated' };

testOnStores('a flush writes each event of the batch once', async (t, { db }) => {
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

testOnStores('a batch is written when it is full or when its interval has passed', async (t, { db }) => {
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
  'a batched event has the time at which it happened, not at which it was written',
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

testOnStores('events that cannot be written are kept until they can be', async (t, { db }) => {
  const batch = createAuditBatch(db, log, { interval: 60_000 });
  batch.add({ ...rotation, reason: 'first' });
  await db.schema.renameTable('audit_events', 'away');
  await t.notThrowsAsync(batch.flush());
  batch.add({ ...rotation, reason: 'second' });
  await db.schema.renameTable('away', 'audit_events');
  await batch.close();
  t.deepEqual((await db('audit_events')).map((event) => event.reason).sort(), ['first', 'second']);
});

testOnStores('events dropped while the database is away are counted and logged', async (t, { db }) => {
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
});
