// Administration of the outbox: list the messages that wait or were given up, retry and drop one. No answer has a body, a code or a link.
import { z } from 'zod';
import { dropOutboxMessage, retryOutboxMessage } from '../../../core/actions/change_messages.ts';
import { listMessages } from '../../../core/outbox/messages.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { dateTime, id, paging, route } from '../routes.ts';

const kind = z.enum(['mail', 'logout_token']);
const state = z.enum(['waiting', 'dead']);

const message = z
  .object({
    id: z.uuid(),
    kind,
    receiver: z.string().describe('`mail`, or the client of a logout token'),
    subject: z.string().describe('the kind of mail, or `logout`'),
    state: state.describe('`dead`: given up; kept for 30 days, until it is retried or dropped'),
    attempts: z.number().int(),
    next_attempt_at: dateTime,
    expires_at: dateTime.nullable().describe('when it is of no use any more, and is not sent'),
    user_id: z.uuid().nullable(),
    session_id: z.uuid().nullable(),
    client_id: z.string().nullable(),
    last_error: z.string().nullable(),
    created_at: dateTime,
  })
  .meta({ id: 'Message' });

const common = { right: 'admin:config', params: { id } } as const;

export const adminOutboxRoutes = [
  route({
    method: 'get',
    path: '/admin/outbox',
    right: 'admin:config',
    summary: 'List messages that wait for their delivery or were given up, newest first',
    query: {
      ...paging,
      kind: kind.optional().describe('mails, or logout tokens, alone'),
      state: state.optional().describe('messages that wait, or that were given up, alone'),
    },
    response: z
      .object({
        messages: z.array(message).describe('may be fewer than `limit` although another page follows'),
        next_cursor: z.string().nullable(),
      })
      .meta({ id: 'MessageList' }),
    handler: async ({ deps, query: { limit, cursor, kind, state } }) => {
      const before = decodeCursor(cursor, z.uuid());
      const { messages, next } = await listMessages(deps.db, { kind, state, before, limit });
      return { messages, next_cursor: next === null ? null : encodeCursor(next) };
    },
  }),
  route({
    ...common,
    method: 'post',
    path: '/admin/outbox/:id/retry',
    summary: 'Make a message due now, unless it has expired; a dead one gets all its attempts again',
    response: message,
    errors: ['message_not_found'],
    handler: async ({ deps, params, actor }) => await retryOutboxMessage(deps.db, actor, params.id),
  }),
  route({
    ...common,
    method: 'delete',
    path: '/admin/outbox/:id',
    summary: 'Drop a message: it is never sent',
    status: 204,
    errors: ['message_not_found'],
    handler: async ({ deps, params, actor }) => await dropOutboxMessage(deps.db, actor, params.id),
  }),
];
