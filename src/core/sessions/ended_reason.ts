// Why a session has ended, for a caller who has proved to hold its refresh token.
import { type Db, rows } from '../store/db.ts';
import type { EndedReason, Session } from './sessions.ts';

/** SQL that joins, as `p`, the pending ending of a session `s` of the user `u` whose row is not marked as ended yet (end_many.ts). */
export const pendingEndingSql = `left join pending_endings p on s.session_epoch < u.session_epoch and s.ended_at is null and p.id = (
      select o.id from pending_endings o where o.user_id = s.user_id and o.which->>'kind' = 'user' order by o.id limit 1)`;

/**
 * The reason of an ended session; null when it is live or unknown, or when its ending is being written at this moment. One SELECT, and none when
 * the row that was `read` says it.
 */
export async function findEndedReason(
  db: Db,
  id: string,
  read?: Pick<Session, 'ended_reason'>,
): Promise<EndedReason | null> {
  if (read?.ended_reason) return read.ended_reason;
  const [found] = await rows<{ ended_reason: EndedReason | null }>(
    db,
    `select coalesce(s.ended_reason, p.ending->>'reason') as ended_reason
     from sessions s join users u on u.id = s.user_id ${pendingEndingSql} where s.id = :id`,
    { id },
  );
  return found?.ended_reason ?? null;
}
