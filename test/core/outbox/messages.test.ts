// The list of messages: bounded, however many of another kind lie between.
import { listMessages } from '../../../src/core/outbox/messages.ts';
import { newId } from '../../../src/lib/ids.ts';
import { makeMessage } from '../../helpers/messages.ts';
import { testOnStores } from '../../helpers/stores.ts';

testOnStores('a page reads 5,000 messages at most, and the next page goes on there', async (t, { db }) => {
  const created_at = new Date();
  const mail = await makeMessage(db, { created_at: new Date(created_at.getTime() - 1_000) });
  const token = () => ({
    ...{ id: newId(created_at.getTime()), kind: 'logout_token' as const, receiver: 'app', subject: 'logout' },
    ...{ state: 'dead' as const, attempts: 13, next_attempt_at: created_at, created_at },
  });
  await db.batchInsert('outbox', Array.from({ length: 5_042 }, token), 100);
  const first = await listMessages(db, { kind: 'mail', state: 'dead', limit: 50 });
  t.deepEqual(first.messages, []);
  t.truthy(first.next);
  const second = await listMessages(db, { kind: 'mail', state: 'dead', before: first.next ?? '', limit: 50 });
  t.deepEqual([second.messages.map(({ id }) => id), second.next], [[mail], null]);
  t.is((await listMessages(db, { limit: 200 })).messages.length, 200);
});
