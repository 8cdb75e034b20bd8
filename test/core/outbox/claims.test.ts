// Claiming messages of the outbox: each receiver has its own share of the deliveries, however many messages wait for another.
import type { Knex } from 'knex';
import { claimMessages } from '../../../src/core/outbox/claims.ts';
import { newId } from '../../../src/lib/ids.ts';
import { after, makeClient } from '../../helpers/builders.ts';
import { rowOf } from '../../helpers/rows.ts';
import { testOnStores } from '../../helpers/stores.ts';

/** Queues logout tokens for a client, due at `due`. */
async function queue(db: Knex, count: number, due: Date): Promise<string> {
  const { client_id } = await makeClient(db);
  const one = () => ({
    id: newId(),
    kind: 'logout_token' as const,
    receiver: client_id,
    subject: 'logout',
    session_id: newId(),
    user_id: newId(),
    client_id,
    attempts: 0,
    next_attempt_at: due,
    created_at: due,
  });
  await db.batchInsert('outbox', Array.from({ length: count }, one), 100);
  return client_id;
}

const share = { kind: 'logout_token', all: 20, of_receiver: 4, except: [] as string[] } as const;

async function claim(db: Knex, limit: Partial<Parameters<typeof claimMessages>[1]> = {}) {
  const claimed = await claimMessages(db, { ...share, ...limit });
  const counts = new Map<string, number>();
  for (const { receiver } of claimed) counts.set(receiver, (counts.get(receiver) ?? 0) + 1);
  return counts;
}

testOnStores('each receiver gets its share, and no message is claimed twice', async (t, { db }) => {
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
  t.is((await rowOf(db('outbox').where({ client_id: later }).first())).attempts, 0);
});

testOnStores('the messages to a receiver that have been due longest are claimed first', async (t, { db }) => {
  const now = new Date();
  const client_id = await queue(db, 30, now);
  const ids: string[] = await db('outbox').orderBy('id').pluck('id');
  const oldest = ids.slice(10, 14);
  await db('outbox')
    .whereIn('id', oldest)
    .update({ next_attempt_at: after(now, -60) });
  const claimed = await claimMessages(db, share);
  t.deepEqual(claimed.map((one) => one.id).toSorted(), oldest);
  t.true(claimed.every((one) => one.receiver === client_id && one.attempts === 1));
});
