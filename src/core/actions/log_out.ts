// Logging a user out everywhere, by an administrator or a command: all sessions end, with their push tokens and events.
import type { Knex } from 'knex';
import { AppError } from '../../lib/errors.ts';
import { beginEndingAll } from '../sessions/end_many.ts';
import { finishEnding } from '../sessions/pending_endings.ts';
import { lockUser } from '../users/users.ts';
import { type Initiator, recordEventOf } from './initiator.ts';

/**
 * Ends all sessions of a user and records `user_logged_out`, also when there was no session to end. Returns how many
 * ended; refuses with `user_not_found`.
 */
export async function logOutUser(
  db: Knex,
  id: string,
  { reason, ...initiator }: Initiator & { reason?: string },
): Promise<number> {
  const begun = await db.transaction(async (tx) => {
    if (!(await lockUser(tx, id))) throw new AppError('user_not_found');
    const begun = await beginEndingAll(tx, id, { ...initiator, reason: 'ended_by_admin' });
    // When more than one chunk is to end, the total is not known yet; each session has its own event.
    const detail = { [begun.pending ? 'sessions_ended_at_least' : 'sessions_ended']: begun.ended };
    await recordEventOf(tx, initiator, {
      type: 'user_logged_out',
      user_id: id,
      reason: reason ?? null,
      detail,
    });
    return begun;
  });
  return await finishEnding(db, begun);
}
