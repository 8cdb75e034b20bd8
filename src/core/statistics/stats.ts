// Figures for administrators: live sessions, and the logins and refreshes of the last 24 hours, as one node has counted them.
import type { Knex } from 'knex';
import { AppError } from '../../lib/errors.ts';
import { listHourlyRotations } from '../sessions/hourly_rotations.ts';
import type { Db } from '../store/db.ts';
import { readClock } from '../store/sql_time.ts';
import { displayName } from '../users/users.ts';
import {
  type Counted,
  type EventCount,
  eventsOf,
  findHours,
  findLiveCount,
  hoursOfDay,
  type LiveCount,
} from './statistics.ts';

export interface Stats {
  at: Date;
  live_sessions: {
    counted_at: Date;
    total: number;
    /** The clients with the most sessions; the users below. */
    by_client: { client_id: string; sessions: number }[];
    by_user: { user_id: string; username: string; sessions: number }[];
  };
  /** The last 24 hours: the current hour and the 23 before it. */
  last_day: {
    counted_at: Date;
    logins: number;
    failed_logins: Record<string, number>;
    refreshes_per_hour: { hour: Date; refreshes: number }[];
    refresh_tokens: { rotated: number; retried: number; reused: number; observed: number };
  };
}

/**
 * All figures; `top` clients and users, at most 100. Reads at most 149 rows, whatever the size of the database. Refuses with
 * `unavailable` before the first count.
 */
export async function readStats(
  db: Knex,
  { top = 10, at }: { top?: number; at?: Date } = {},
): Promise<Stats> {
  const now = at ?? (await readClock(db));
  const starts = hoursOfDay(now);
  const [live, hours] = [await findLiveCount(db), await findHours(db, starts)];
  if (!live || hours.size === 0) {
    throw new AppError(
      'unavailable',
      'The statistics have not been counted yet. A node with JOBS=true counts them when it starts and every five minutes.',
    );
  }
  return {
    at: now,
    live_sessions: await describeLive(db, live, top),
    last_day: describeDay(hours, starts, await listHourlyRotations(db, starts)),
  };
}

// Names are read now, because users may have changed theirs, or may be gone.
async function describeLive(
  db: Db,
  { value, counted_at }: Counted<LiveCount>,
  top: number,
): Promise<Stats['live_sessions']> {
  const users = value.by_user.slice(0, top);
  const ids = users.map(({ user_id }) => user_id);
  const named = await db('users').select('id', 'username', 'email').whereIn('id', ids);
  const names = new Map(named.map((user) => [user.id, displayName(user)]));
  return {
    counted_at,
    total: value.total,
    by_client: value.by_client.slice(0, top),
    by_user: users.map(({ user_id, sessions }) => ({
      user_id,
      username: names.get(user_id) ?? '',
      sessions,
    })),
  };
}

function describeDay(
  events: Map<string, Counted<EventCount>>,
  starts: Date[],
  rotations: number[],
): Stats['last_day'] {
  const hours = [...events.values()];
  const sum = (of: (value: EventCount) => number) => hours.reduce((total, { value }) => total + of(value), 0);
  const observed = sum((value) => value.refresh_token_reuse_observed);
  // Each rotation is in one of them: in the trail, or counted as it was written.
  const refreshes_per_hour = starts.map((start, i) => {
    const inTrail = events.get(eventsOf(start))?.value.refresh_token_rotated ?? 0;
    return { hour: start, refreshes: inTrail + (rotations[i] ?? 0) };
  });
  return {
    counted_at: new Date(Math.max(...hours.map(({ counted_at }) => counted_at.getTime()))),
    logins: sum((value) => value.session_opened),
    failed_logins: sumFailures(hours),
    refreshes_per_hour,
    refresh_tokens: {
      rotated: refreshes_per_hour.reduce((total, { refreshes }) => total + refreshes, 0),
      // Reuse that is only observed is answered like a retry, and recorded as both.
      retried: Math.max(0, sum((value) => value.refresh_token_retried) - observed),
      reused: sum((value) => value.refresh_token_reused),
      observed,
    },
  };
}

function sumFailures(hours: Counted<EventCount>[]): Record<string, number> {
  const sums = new Map<string, number>();
  for (const { value } of hours) {
    for (const [reason, n] of Object.entries(value.login_failed))
      sums.set(reason, (sums.get(reason) ?? 0) + n);
  }
  return Object.fromEntries([...sums].toSorted(([, a], [, b]) => b - a));
}
