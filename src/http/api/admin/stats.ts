// Statistics of the server, for administrators.
import { z } from 'zod';
import { readStats } from '../../../core/statistics/stats.ts';
import { dateTime, route } from '../routes.ts';

const count = z.number().int();

const countedAt = dateTime.describe('when a node counted these figures; it does every five minutes');

const stats = z
  .object({
    at: dateTime,
    live_sessions: z.object({
      counted_at: countedAt,
      total: count,
      by_client: z.array(z.object({ client_id: z.string(), sessions: count })),
      by_user: z.array(z.object({ user_id: z.uuid(), username: z.string(), sessions: count })),
    }),
    last_day: z
      .object({
        counted_at: countedAt,
        logins: count,
        failed_logins: z.record(z.string(), count).describe('by reason'),
        refreshes_per_hour: z.array(z.object({ hour: dateTime, refreshes: count })),
        refresh_tokens: z.object({ rotated: count, retried: count, reused: count, observed: count }),
      })
      .describe('the current hour and the 23 before it'),
  })
  .meta({ id: 'Stats' });

export const adminStatsRoutes = [
  route({
    method: 'get',
    path: '/admin/stats',
    right: 'admin:read',
    summary: 'Read statistics: live sessions, refreshes per hour and their outcomes, failed logins',
    query: {
      top: z.coerce.number().int().min(1).max(100).default(10).describe('how many clients and users to list'),
    },
    response: stats,
    errors: ['unavailable'],
    handler: async ({ deps, query: { top } }) => await readStats(deps.db, { top }),
  }),
];
