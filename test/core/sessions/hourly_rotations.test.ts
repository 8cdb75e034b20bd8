// The counts of rotations by hour: nodes add to one row per hour, and the table does not grow.
import { toEventRow } from '../../../src/core/audit/audit_events.ts';
import { countRotations, listHourlyRotations } from '../../../src/core/sessions/hourly_rotations.ts';
import { after } from '../../helpers/builders.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { openDatabases } from '../../helpers/tables.ts';

const start = new Date('2030-01-01T05:00:00.000Z');
const hour = 3_600;
const at = (seconds: number) => toEventRow({ type: 'refresh_token_rotated' }, after(start, seconds));

testOnStores('each hour has the rotations of all nodes, exact to the millisecond', async (t, store) => {
  const nodes = await openDatabases(t, store, 2);
  const batch = [at(-0.001), at(0), at(hour - 0.001), at(hour)];
  await Promise.all([...nodes, ...nodes].map((db) => countRotations(db, batch)));
  await countRotations(store.db, []);
  const starts = [-1, 0, 1, 2].map((n) => after(start, n * hour));
  t.deepEqual(await listHourlyRotations(store.db, starts), [4, 8, 4, 0]);
});

testOnStores(
  'an hour takes the row of the one two days before it, and never gives it back',
  async (t, { db }) => {
    for (let n = 0; n < 100; n += 1) await countRotations(db, [at(n * hour)]);
    t.is((await db('hourly_rotations')).length, 48);
    await countRotations(db, [at(0), at(99 * hour)]);
    const starts = [0, 51, 52, 98, 99].map((n) => after(start, n * hour));
    t.deepEqual(await listHourlyRotations(db, starts), [0, 0, 1, 1, 2]);
  },
);
