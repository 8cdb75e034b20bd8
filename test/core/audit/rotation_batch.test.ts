// Which events of the audit batch go into the ring of rotations, what a crash loses, and how the rotations are counted.
import { createAuditBatch } from '../../../src/core/audit/audit_batch.ts';
import type { NewEvent } from '../../../src/core/audit/audit_events.ts';
import { listRotations, rotationRing } from '../../../src/core/sessions/session_rotations.ts';
import type { Session } from '../../../src/core/sessions/sessions.ts';
import { countStatistics } from '../../../src/core/statistics/count_statistics.ts';
import { readStats } from '../../../src/core/statistics/stats.ts';
import type { Db } from '../../../src/core/store/db.ts';
import { createLog } from '../../../src/lib/log.ts';
import { openTestSession } from '../../helpers/builders.ts';
import { rowsOf } from '../../helpers/rows.ts';
import { testOnStores } from '../../helpers/stores.ts';

const log = createLog({ level: 'silent' });

const rotated = ({ id }: Session, generation: number): NewEvent => ({
  type: 'refresh_token_rotated',
  session_id: id,
  detail: { generation },
});

function open(db: Db, setting: 'ring' | 'all', options = {}) {
  return createAuditBatch(db, log, { interval: 60_000, rotations: rotationRing(setting), ...options });
}

/** Sorted, since events of one millisecond have no order. */
async function typesIn(db: Db): Promise<string[]> {
  return (await rowsOf(db('audit_events'))).map(({ type }) => type).toSorted();
}

async function generations(db: Db, { id }: Session): Promise<number[]> {
  const rows = await db('session_rotations').where({ session_id: id }).orderBy('generation');
  return rows.map(({ generation }) => generation);
}

testOnStores('plain rotations go into the ring, every other event into the trail', async (t, { db }) => {
  const session = await openTestSession(db);
  const batch = open(db, 'ring');
  batch.add(rotated(session, 1));
  batch.add({ ...rotated(session, 1), type: 'refresh_token_retried' });
  batch.add({ type: 'client_authentication_failed' });
  batch.add(rotated(session, 2));
  t.deepEqual(await generations(db, session), [], 'not before the batch is written');
  await batch.flush();
  t.deepEqual(await generations(db, session), [1, 2]);
  batch.add(rotated(session, 3));
  await batch.close();
  t.deepEqual(await generations(db, session), [1, 2, 3], 'closing writes what waits');
  t.deepEqual(await typesIn(db), ['client_authentication_failed', 'refresh_token_retried', 'session_opened']);
});

testOnStores(
  'with `all` the trail has each rotation as well, and it is counted once',
  async (t, { db, url }) => {
    const session = await openTestSession(db);
    for (const [i, setting] of (['all', 'ring'] as const).entries()) {
      const batch = open(db, setting);
      for (let n = 1; n <= 3; n += 1) batch.add(rotated(session, 3 * i + n));
      await batch.close();
    }
    t.deepEqual(await typesIn(db), [...Array(3).fill('refresh_token_rotated'), 'session_opened']);
    t.deepEqual(await generations(db, session), [1, 2, 3, 4, 5, 6]);
    t.is((await listRotations(db, session.id)).length, 6);
    await countStatistics(db, { url });
    const { refreshes_per_hour, refresh_tokens } = (await readStats(db)).last_day;
    t.is(refresh_tokens.rotated, 6);
    t.is(
      refreshes_per_hour.reduce((sum, { refreshes }) => sum + refreshes, 0),
      6,
    );
  },
);

testOnStores('while one table takes nothing, the other gets its events', async (t, { db }) => {
  const session = await openTestSession(db);
  const dropped: number[] = [];
  const batch = open(db, 'ring', { capacity: 3, onDropped: (count: number) => dropped.push(count) });
  await db.schema.renameTable('session_rotations', 'away');
  for (let n = 1; n <= 5; n += 1) batch.add(rotated(session, n));
  batch.add({ type: 'login_failed' });
  await t.notThrowsAsync(batch.flush());
  t.deepEqual(await typesIn(db), ['login_failed', 'session_opened']);
  await db.schema.renameTable('away', 'session_rotations');
  await batch.close();
  t.deepEqual(await generations(db, session), [3, 4, 5]);
  t.deepEqual(dropped, [2], 'what is beyond the capacity is counted');
});

testOnStores('a crash loses at most the rotations since the last write', async (t, { db }) => {
  const session = await openTestSession(db);
  const crashed = open(db, 'ring');
  crashed.add(rotated(session, 1));
  crashed.add(rotated(session, 2));
  await crashed.flush();
  // Never written: the process is gone.
  crashed.add(rotated(session, 3));
  const next = open(db, 'ring');
  next.add(rotated(session, 4));
  await next.close();
  const shown = (await listRotations(db, session.id)).map(({ generation }) => generation);
  t.deepEqual(shown, [4, 2, 1]);
});
