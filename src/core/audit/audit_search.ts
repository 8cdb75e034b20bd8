// Reading the audit trail: what administrators search, and the events of one session.
import { firstIdOf } from '../../lib/ids.ts';
import type { Db } from '../store/db.ts';
import type { AuditEvent, EventType } from './audit_events.ts';

/** The newest events of one session, newest first. */
export async function listSessionEvents(
  db: Db,
  session_id: string,
  type: EventType,
  limit: number,
): Promise<AuditEvent[]> {
  return await db('audit_events').where({ session_id, type }).orderBy('id', 'desc').limit(limit);
}

export interface EventSearch {
  user_id?: string | undefined;
  session_id?: string | undefined;
  client_id?: string | undefined;
  type?: string | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
  limit: number;
  /** Older than the event of this id. */
  before?: string | undefined;
}

/** Milliseconds by which the time in an event's id, a node's, may differ from its `created_at`, the database's. */
const maxClockDifference = 600_000;

/** Events of the trail, newest first. */
export async function listEvents(db: Db, search: EventSearch): Promise<AuditEvent[]> {
  const { from, to, limit, before, ...equal } = search;
  const query = db('audit_events').orderBy('id', 'desc').limit(limit);
  query.where(Object.fromEntries(Object.entries(equal).filter(([, value]) => value !== undefined)));
  // The ids bound what is read, since they sort by time and have an index; the times decide.
  if (from)
    query
      .where('id', '>=', firstIdOf(new Date(from.getTime() - maxClockDifference)))
      .where('created_at', '>=', from);
  if (to)
    query
      .where('id', '<', firstIdOf(new Date(to.getTime() + maxClockDifference)))
      .where('created_at', '<', to);
  if (before) query.where('id', '<', before);
  return await query;
}
