// The audit trail, for administrators.
import { z } from 'zod';
import { listEvents } from '../../../core/audit/audit_search.ts';
import { clientIdLength } from '../../../core/clients/client_metadata.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { dateTime, id, paging, route, timeInRequest } from '../routes.ts';

const event = z
  .object({
    id: z.uuid(),
    created_at: dateTime,
    type: z.string(),
    user_id: z.uuid().nullable(),
    session_id: z.uuid().nullable(),
    client_id: z.string().nullable(),
    actor: z.enum(['user', 'admin', 'client', 'system']).nullable(),
    actor_id: z.string().nullable(),
    reason: z.string().nullable(),
    ip: z.string().nullable(),
    user_agent: z.string().nullable(),
    request_id: z.string().nullable(),
    detail: z.record(z.string(), z.unknown()).nullable(),
  })
  .meta({ id: 'Event' });

export const adminEventRoutes = [
  route({
    method: 'get',
    path: '/admin/events',
    right: 'admin:read',
    summary: 'Read the audit trail, newest first',
    query: {
      ...paging,
      user_id: id.optional(),
      session_id: id.optional(),
      client_id: z.string().max(clientIdLength).optional(),
      type: z.string().max(50).optional(),
      from: timeInRequest.optional().describe('at or after this time'),
      to: timeInRequest.optional().describe('before this time'),
    },
    response: z
      .object({
        events: z
          .array(event)
          .describe('at most `limit`; fewer, or none, where the search stopped at its time limit'),
        next_cursor: z.string().nullable().describe('null when the search has read the whole trail'),
      })
      .meta({ id: 'EventList' }),
    handler: async ({ deps, query: { limit, cursor, ...wanted } }) => {
      await deps.audit.flush();
      const { events, next } = await listEvents(deps.db, {
        ...wanted,
        before: decodeCursor(cursor, z.uuid()),
        limit,
      });
      return { events, next_cursor: next === null ? null : encodeCursor(next) };
    },
  }),
];
