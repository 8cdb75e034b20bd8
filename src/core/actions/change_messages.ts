// Retrying and dropping messages of the outbox, each with its event.
import type { Knex } from 'knex';
import { AppError } from '../../lib/errors.ts';
import { dropMessage, findMessage, type Message, retryMessage } from '../outbox/messages.ts';
import { type Initiator, recordEventOf } from './initiator.ts';

/** Makes a message due now and records the event; refuses with `message_not_found` also when the message has expired. */
export async function retryOutboxMessage(db: Knex, initiator: Initiator, id: string): Promise<Message> {
  return await db.transaction(async (tx): Promise<Message> => {
    const isDue = await retryMessage(tx, id);
    const found = await findMessage(tx, id);
    if (!found) throw new AppError('message_not_found');
    if (!isDue) throw new AppError('message_not_found', 'The message has expired.');
    await recordEventOf(tx, initiator, { type: 'message_retried', ...aboutOf(found) });
    return found;
  });
}

/** Drops a message and records the event; refuses with `message_not_found`. */
export async function dropOutboxMessage(db: Knex, initiator: Initiator, id: string): Promise<void> {
  await db.transaction(async (tx) => {
    const found = await findMessage(tx, id);
    if (!found || !(await dropMessage(tx, id))) throw new AppError('message_not_found');
    await recordEventOf(tx, initiator, { type: 'message_dropped', ...aboutOf(found) });
  });
}

function aboutOf({ id, kind, subject, user_id, client_id }: Message) {
  return { user_id, client_id, detail: { message_id: id, kind, subject } };
}
