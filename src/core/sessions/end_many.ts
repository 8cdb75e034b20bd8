// The decision to end many sessions. The caller's transaction writes it together with the first chunk of sessions, and every
// statement that decides about a session sees it from the commit on. pending_endings.ts ends the other chunks.
import type { Knex } from 'knex';
import { newId } from '../../lib/ids.ts';
import { json } from '../store/columns.ts';
import { present } from '../store/sql_time.ts';
import { raiseSessionEpoch } from '../users/user_changes.ts';
import { lockUser } from '../users/users.ts';
import { chunkSize, endChunk } from './end_chunk.ts';
import type { EndCause } from './end_sessions.ts';
import { type BegunEnding, finishEnding, type SessionSet, storedCause } from './pending_endings.ts';

/**
 * Begins to end these sessions: ends the first chunk in the caller's transaction, which has locked the user's row. After
 * the commit, and before it answers, the caller calls {@link finishEnding}.
 */
export async function beginEnding(
  tx: Knex.Transaction,
  which: SessionSet,
  cause: EndCause,
): Promise<BegunEnding> {
  const { ended, isDone } = await endChunk(tx, which, cause);
  if (isDone) return { ended, pending: null };
  const pending = { id: newId(), which, cause };
  await tx('pending_endings').insert({
    id: pending.id,
    user_id: 'user_id' in which ? which.user_id : null,
    which: json(which),
    ending: json(storedCause(cause)),
    created_at: present(tx),
  });
  return { ended, pending };
}

/** What stays live while all other sessions of a user end. */
export interface Kept {
  session_id?: string | null;
  browser_session?: string | null;
  /** Whether the sessions that were opened in the kept browser stay live too. */
  opened_in_browser?: boolean;
}

/**
 * Begins to end all sessions of a user and all logins at the pages, except those that are `kept`. Raising the user's
 * `session_epoch` ends them: from the commit on, every statement that decides treats a session with a lower one as ended. The
 * caller has locked the user's row. With `forgets`, the personal data of a deleted user is removed as well.
 */
export async function beginEndingAll(
  tx: Knex.Transaction,
  user_id: string,
  cause: EndCause,
  { kept = {}, forgets = false }: { kept?: Kept; forgets?: boolean } = {},
): Promise<BegunEnding> {
  const { session_id = null, browser_session = null, opened_in_browser = false } = kept;
  const epoch = await raiseSessionEpoch(tx, user_id);
  if (session_id !== null) await keep(tx, user_id, epoch, { id: session_id });
  if (browser_session !== null) {
    await tx('oidc_models')
      .where({ model: 'Session', user_id, second_id: browser_session })
      .update({ session_epoch: epoch });
    if (opened_in_browser) await keep(tx, user_id, epoch, { browser_session });
  }
  const which = { kind: 'user', user_id, epoch, kept_browser: browser_session, forgets } as const;
  return await beginEnding(tx, which, cause);
}

/**
 * Ends all sessions of a user and all logins at the pages, in transactions of its own; returns how many sessions ended.
 */
export async function endAllSessions(
  db: Knex,
  user_id: string,
  cause: EndCause,
  kept: Kept = {},
): Promise<number> {
  const begun = await db.transaction(async (tx) => {
    await lockUser(tx, user_id);
    return await beginEndingAll(tx, user_id, cause, { kept });
  });
  return await finishEnding(db, begun);
}

// When more than one chunk of sessions was opened in the kept browser, the newest ones stay live.
async function keep(
  tx: Knex.Transaction,
  user_id: string,
  epoch: number,
  which: { id: string } | { browser_session: string },
): Promise<void> {
  const kept = tx('sessions')
    .where({ user_id, session_epoch: epoch - 1, ...which })
    .whereNull('ended_at')
    .orderBy('id', 'desc')
    .limit(chunkSize)
    .select('id');
  await tx('sessions').whereIn('id', kept).update({ session_epoch: epoch });
}
