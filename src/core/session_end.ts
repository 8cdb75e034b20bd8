// Ending sessions: one, those of a device, a client or a browser, or all of a user's. Whoever ends is written down with it.
import { parseId } from '../lib/ids.ts';
import { type Actor, type NewEvent, type Origin, recordEvents } from './audit.ts';
import { type Db, present } from './db.ts';
import { queueLogoutNotices } from './logout_notices.ts';
import { deleteBrowserSessions } from './oidc_models.ts';
import type { EndedReason, Session } from './sessions.ts';
import { lockUser } from './users.ts';

/** Why a session ends, by whom, and where the request came from. */
export interface Ending {
  reason: EndedReason;
  actor: Actor;
  actor_id?: string | null;
  origin?: Origin;
  /** What to note beside the reason in the audit trail. */
  detail?: Record<string, unknown>;
}

type Which =
  | { id: string }
  | { ids: string[] }
  | { user_id: string; except?: string; except_browser?: string; client_id?: string }
  | { device: string }
  | { browser_session: string };

/**
 * Ends live sessions and returns those that ended; ending an ended one changes nothing. The events go into the trail
 * with the change itself. A transaction that also changes the user locks the user's row first (`lockUser`).
 */
export async function endSessions(db: Db, which: Which, ending: Ending, at?: Date): Promise<Session[]> {
  if (!db.isTransaction) return await db.transaction((tx) => endSessions(tx, which, ending, at));
  const query = db<Session>('sessions').whereNull('ended_at');
  if ('id' in which) query.where({ id: which.id });
  else if ('ids' in which) query.whereIn('id', which.ids);
  else if ('device' in which) query.where({ device_id: which.device });
  else if ('browser_session' in which) query.where({ browser_session: which.browser_session });
  else query.where({ user_id: which.user_id });
  if ('except' in which && which.except) query.whereNot({ id: which.except });
  if ('except_browser' in which && which.except_browser) {
    const { except_browser } = which;
    query.where((one) => one.whereNull('browser_session').orWhereNot('browser_session', except_browser));
  }
  if ('client_id' in which && which.client_id) query.where({ client_id: which.client_id });
  const ended = await query
    .update({
      ended_at: present(db, at),
      ended_reason: ending.reason,
      ended_by: ending.actor,
      ended_by_id: parseId(ending.actor_id),
    } as never)
    .returning('*');
  await recordEvents(
    db,
    ended.map((session) => endedEvent(session, ending)),
    at,
  );
  await queueLogoutNotices(db, ended as Session[]);
  return ended as Session[];
}

/**
 * Ends every live session of a user, under the lock on the user's row, and without exception their logins at our pages
 * too. Returns the sessions that ended.
 */
export async function endAllSessions(
  db: Db,
  user_id: string,
  ending: Ending,
  except?: string,
): Promise<Session[]> {
  return await db.transaction(async (tx) => {
    await lockUser(tx, user_id);
    if (!except) await deleteBrowserSessions(tx, user_id);
    return await endSessions(tx, { user_id, ...(except ? { except } : {}) }, ending);
  });
}

function endedEvent(session: Session, ending: Ending): NewEvent {
  return {
    type: 'session_ended',
    user_id: session.user_id,
    session_id: session.id,
    client_id: session.client_id,
    actor: ending.actor,
    actor_id: ending.actor_id ?? null,
    reason: ending.reason,
    detail: ending.detail ?? null,
    ...ending.origin,
  };
}
