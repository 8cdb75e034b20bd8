// Logging a user out by an administrator or a command: one session, or everywhere, with push tokens and events.
import type { Knex } from 'knex';
import { AppError } from '../../lib/errors.ts';
import { beginEndingAll } from '../sessions/end_many.ts';
import { endSession } from '../sessions/end_sessions.ts';
import { finishEnding } from '../sessions/pending_endings.ts';
import { findAnySession } from '../sessions/session_list.ts';
import { requireAuthorityOver } from '../users/authority.ts';
import { lockUser } from '../users/users.ts';
import { type Initiator, recordEventOf } from './initiator.ts';

/**
 * Ends all sessions of a user and records `user_logged_out`, also when there was no session to end. Returns how many
 * ended; refuses with `user_not_found`, `right_missing` and `insufficient_user_authentication`.
 */
export async function logOutUser(
  db: Knex,
  id: string,
  { reason, ...initiator }: Initiator & { reason?: string },
): Promise<number> {
  const begun = await db.transaction(async (tx) => {
    const user = await lockUser(tx, id);
    if (!user) throw new AppError('user_not_found');
    requireAuthorityOver(initiator.authority, user);
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

/**
 * Ends one session, also one that had ended before. Refuses with `session_not_found`, `right_missing` and
 * `insufficient_user_authentication`.
 */
export async function endSessionOf(db: Knex, id: string, initiator: Initiator): Promise<void> {
  await db.transaction(async (tx) => {
    const session = await findAnySession(tx, id);
    const user = session && (await lockUser(tx, session.user_id));
    if (!user) throw new AppError('session_not_found');
    requireAuthorityOver(initiator.authority, user);
    await endSession(tx, id, { ...initiator, reason: 'ended_by_admin' });
  });
}
