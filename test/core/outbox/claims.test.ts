// Claiming messages of the outbox: each receiver has its own share of the deliveries, however many messages wait for another.
import type { ExecutionContext } from 'ava';
import type { Knex } from 'knex';
import { claimMessages, postponeMessage } from '../../../src/core/outbox/claims.ts';
import { readClock } from '../../../src/core/store/sql_time.ts';
import { newId } from '../../../src/lib/ids.ts';
import { after, makeClient } from '../../helpers/builders.ts';
import { makeMessage } from '../../helpers/messages.ts';
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

/** Lets a message fail until it is dead, with these waits between the attempts, in seconds; returns the attempts. */
async function failAll(t: ExecutionContext, db: Knex, id: string, waits: number[]): Promise<number> {
  for (let attempts = 1; ; attempts += 1) {
    const row = { ...(await rowOf(db('outbox').where({ id }).first())), attempts };
    const before = await readClock(db);
    if (await postponeMessage(db, row, { error: 'SMTP 451' })) return attempts;
    const now = await readClock(db);
    const { next_attempt_at } = await rowOf(db('outbox').where({ id }).first());
    const wait = waits[attempts - 1] ?? Number.NaN;
    t.true(
      next_attempt_at >= after(before, wait) && next_attempt_at <= after(now, wait),
      `after ${attempts}`,
    );
  }
}

testOnStores(
  'a mail is tried eight times in twelve hours, with doubling waits; one that expires within an hour sooner',
  async (t, { db }) => {
    const created_at = new Date();
    const doubling = (first: number) => [1, 2, 4, 8, 16, 32, 64].map((times) => first * times);
    const notice = await makeMessage(db, { state: 'waiting', created_at });
    t.is(await failAll(t, db, notice, doubling(340)), 8);
    t.is(
      doubling(340).reduce((sum, wait) => sum + wait),
      43_180,
    );
    const code = await makeMessage(db, { state: 'waiting', created_at, expires_at: after(created_at, 600) });
    t.is(await failAll(t, db, code, doubling(20)), 8);
    const invitation = await makeMessage(db, {
      state: 'waiting',
      created_at,
      expires_at: after(created_at, 604_800),
    });
    t.is(await failAll(t, db, invitation, doubling(340)), 8);
    t.deepEqual(await db('outbox').distinct('state', 'last_error'), [
      { state: 'dead', last_error: 'SMTP 451' },
    ]);
  },
);
