// Messages of the outbox for tests.
import type { Knex } from 'knex';
import type { MessageRow } from '../../src/core/outbox/outbox.ts';
import { newId } from '../../src/lib/ids.ts';

/** Writes a message, by default a dead mail without a body, which no server delivers; returns its id. */
export async function makeMessage(db: Knex, given: Partial<MessageRow> = {}): Promise<string> {
  const created_at = given.created_at ?? new Date();
  const id = given.id ?? newId(created_at.getTime());
  await db('outbox').insert({
    id,
    kind: 'mail',
    receiver: 'mail',
    subject: 'recover',
    state: 'dead',
    attempts: 8,
    next_attempt_at: created_at,
    expires_at: null,
    user_id: null,
    session_id: null,
    client_id: null,
    body: null,
    last_error: 'SMTP 550',
    created_at,
    ...given,
  });
  return id;
}
