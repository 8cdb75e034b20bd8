// What a node of the previous version has queued moves into the outbox: each notice once, and none that such a node may be delivering.
import type { Knex } from 'knex';
import { adoptLogoutNotices } from '../../../src/core/sessions/backchannel_queue.ts';
import { after, makeClient, openTestSession } from '../../helpers/builders.ts';
import { enableMail } from '../../helpers/outbox_mails.ts';
import { testOnStores } from '../../helpers/stores.ts';

/** Queues notices of one session as the previous version does, due at `at`. */
async function queue(db: Knex, count: number, at: Date): Promise<void> {
  const client = await makeClient(db);
  const { id: session_id, user_id, client_id } = await openTestSession(db, { client });
  const notices = Array.from({ length: count }, () => ({
    ...{ id: crypto.randomUUID(), session_id, user_id, client_id, attempts: 3 },
    ...{ next_attempt_at: at, created_at: at },
  }));
  for (let from = 0; from < count; from += 100)
    await db('logout_notices').insert(notices.slice(from, from + 100));
}

testOnStores('due notices move into the outbox, each once, at most 500 at a time', async (t, { db }) => {
  enableMail(db);
  await queue(db, 501, after(new Date(), -60));
  await queue(db, 2, after(new Date(), 60));
  const left = async () => (await db('logout_notices').select('id')).length;
  await adoptLogoutNotices(db);
  t.is(await left(), 3);
  await Promise.all([adoptLogoutNotices(db), adoptLogoutNotices(db)]);
  t.is(await left(), 2, 'what an older node has claimed stays');
  const moved = await db('outbox').where({ kind: 'logout_token', state: 'waiting' });
  t.deepEqual([moved.length, new Set(moved.map(({ attempts }) => attempts))], [501, new Set([0])]);
});
