// The queue of logout notices: each client has its own share of the deliveries, however many notices wait for another.
import type { Knex } from 'knex';
import { claimBackchannelLogouts } from '../../../src/core/sessions/backchannel_queue.ts';
import { newId } from '../../../src/lib/ids.ts';
import { after, makeClient } from '../../helpers/builders.ts';
import { rowOf } from '../../helpers/rows.ts';
import { testOnStores } from '../../helpers/stores.ts';

/** Queues notices for a client, due at `due`. */
async function queue(db: Knex, count: number, due: Date): Promise<string> {
  const { client_id } = await makeClient(db);
  const one = () => ({
    id: newId(),
    session_id: newId(),
    user_id: newId(),
    client_id,
    attempts: 0,
    next_attempt_at: due,
    created_at: due,
  });
  await db.batchInsert('logout_notices', Array.from({ length: count }, one), 100);
  return client_id;
}

async function claim(db: Knex, limit: Partial<Parameters<typeof claimBackchannelLogouts>[1]> = {}) {
  const claimed = await claimBackchannelLogouts(db, { all: 20, of_client: 4, except: [], ...limit });
  const counts = new Map<string, number>();
  for (const { client_id } of claimed) counts.set(client_id, (counts.get(client_id) ?? 0) + 1);
  return counts;
}

testOnStores('each client gets its share, and no notice is claimed twice', async (t, { db }) => {
  const now = new Date();
  const many = await queue(db, 1_000, after(now, -600));
  const few = await queue(db, 2, after(now, -60));
  const later = await queue(db, 1, after(now, 600));
  const some = await queue(db, 10, after(now, -30));
  t.deepEqual(
    await claim(db),
    new Map([
      [many, 4],
      [few, 2],
      [some, 4],
    ]),
  );
  t.deepEqual(await claim(db, { except: [many] }), new Map([[some, 4]]));
  t.deepEqual(
    await claim(db, { all: 5 }),
    new Map([
      [many, 4],
      [some, 1],
    ]),
  );
  t.is((await rowOf(db('logout_notices').where({ client_id: later }).first())).attempts, 0);
});

testOnStores('the notices of a client that have been due longest are claimed first', async (t, { db }) => {
  const now = new Date();
  const client_id = await queue(db, 30, now);
  const ids: string[] = await db('logout_notices').orderBy('id').pluck('id');
  const oldest = ids.slice(10, 14);
  await db('logout_notices')
    .whereIn('id', oldest)
    .update({ next_attempt_at: after(now, -60) });
  const claimed = await claimBackchannelLogouts(db, { all: 20, of_client: 4, except: [] });
  t.deepEqual(claimed.map((notice) => notice.id).toSorted(), oldest);
  t.true(claimed.every((notice) => notice.client_id === client_id && notice.attempts === 1));
});
