// Browser sessions: logins at our own pages, kept by the engine, listed and ended like everything else a user has.
import { type Db, present, rows } from './db.ts';
import { deleteBrowserSessions } from './oidc_models.ts';
import { type Ending, endSessions } from './session_end.ts';
import { lockUser } from './users.ts';

/** A login at the pages, as its owner's list shows it. */
export interface BrowserSession {
  /** Digest of the engine's `uid`; what sessions remember of the browser that they were opened in. */
  second_id: string;
  ip: string | null;
  user_agent: string | null;
  created_at: Date;
  expires_at: Date;
}

/** The browsers in which a user is logged in at our pages, newest first. */
export async function listBrowserSessions(db: Db, user_id: string): Promise<BrowserSession[]> {
  return await rows<BrowserSession>(
    db,
    `select second_id, ip, user_agent, created_at, expires_at from oidc_models
     where model = 'Session' and user_id = :user_id and expires_at > :now order by created_at desc limit 200`,
    { user_id, now: present(db) },
  );
}

/** Logs a browser out and ends the sessions that were opened in it; false when the user has no such browser session. */
export async function endBrowserSession(
  db: Db,
  user_id: string,
  id: string,
  ending: Ending,
): Promise<boolean> {
  return await db.transaction(async (tx) => {
    await lockUser(tx, user_id);
    if ((await deleteBrowserSessions(tx, user_id, { only: id })) === 0) return false;
    await endSessions(tx, { browser_session: id }, ending);
    return true;
  });
}
