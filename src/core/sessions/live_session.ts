// Decides whether a session is live: not ended, not ended together with all others of its user, and not expired. As SQL and
// for a row.
import type { Db } from '../store/db.ts';
import { plusSeconds } from '../store/sql_time.ts';
import type { SessionWithUser } from './find_session.ts';
import type { Session } from './sessions.ts';

/** SQL that is true for a row of `sessions` that did not end together with all others of its user. */
export const isCurrentEpochSql =
  'sessions.session_epoch = (select u.session_epoch from users u where u.id = sessions.user_id)';

/** SQL that is true for a live session; `session` and `user` are the aliases of the tables, with a dot. */
export function isLiveSql(db: Db, session: string, user: string): string {
  return `${session}ended_at is null and ${session}session_epoch = ${user}session_epoch and not ${isExpiredSql(db, session)}`;
}

/** SQL that is true for a session that has outlived its idle or its absolute lifetime; `prefix` is the table's alias, with a dot. */
export function isExpiredSql(db: Db, prefix = ''): string {
  return `(${prefix}absolute_expires_at <= :now or ${plusSeconds(db, `${prefix}last_used_at`, `${prefix}idle_ttl`)} <= :now)`;
}

/** Whether a session has ended or expired. */
export function isOver(session: Pick<SessionWithUser, 'ended_at' | 'is_current' | 'is_expired'>): boolean {
  return session.ended_at !== null || !session.is_current || session.is_expired;
}

/** When the session expires if it is not used again. */
export function expiresAt(session: Pick<Session, 'last_used_at' | 'idle_ttl' | 'absolute_expires_at'>): Date {
  const idle = session.last_used_at.getTime() + session.idle_ttl * 1000;
  return new Date(Math.min(idle, session.absolute_expires_at.getTime()));
}
