// Browser sessions: the logins at our own pages. The engine stores them; this file lists and ends them.
import type { Knex } from 'knex';
import { deleteBrowserSession } from '../engine_records/browser_session_records.ts';
import { isCurrentRecordSql } from '../engine_records/engine_records.ts';
import type { Columns } from '../store/columns.ts';
import { type Db, rows } from '../store/db.ts';
import { present } from '../store/sql_time.ts';
import { lockUser } from '../users/users.ts';
import { beginEnding } from './end_many.ts';
import type { EndCause } from './end_sessions.ts';
import { finishEnding } from './pending_endings.ts';

/** A login at the pages, as the user's list shows it. */
export interface BrowserSession {
  /** Digest of the engine's `uid`; sessions store it in `browser_session`. */
  second_id: string;
  ip: string | null;
  user_agent: string | null;
  created_at: Date;
  expires_at: Date;
}

const browserSessionColumns = {
  created_at: 'time',
  expires_at: 'time',
} as const satisfies Columns<BrowserSession>;

/** The browsers in which a user is logged in at our pages, newest first. */
export async function listBrowserSessions(db: Db, user_id: string): Promise<BrowserSession[]> {
  return await rows<BrowserSession>(
    db,
    `select second_id, ip, user_agent, created_at, expires_at from oidc_models
     where model = 'Session' and user_id = :user_id and expires_at > :now and ${isCurrentRecordSql}
     order by created_at desc limit 200`,
    { user_id, now: present(db) },
    browserSessionColumns,
  );
}

/** Logs a browser out and ends the sessions that were opened in it; false when the user has no such browser session. */
export async function endBrowserSession(
  db: Knex,
  user_id: string,
  id: string,
  ending: EndCause,
): Promise<boolean> {
  const begun = await db.transaction(async (tx) => {
    await lockUser(tx, user_id);
    if (!(await deleteBrowserSession(tx, user_id, id))) return null;
    return await beginEnding(tx, { kind: 'browser', user_id, browser_session: id }, ending);
  });
  if (!begun) return false;
  await finishEnding(db, begun);
  return true;
}

/** Ends the sessions that were opened in a browser which is being logged out; the engine deletes the browser session itself. */
export async function endOpenedIn(
  db: Knex,
  user_id: string,
  browser_session: string,
  ending: EndCause,
): Promise<void> {
  const begun = await db.transaction(async (tx) => {
    await lockUser(tx, user_id);
    return await beginEnding(tx, { kind: 'browser', user_id, browser_session }, ending);
  });
  await finishEnding(db, begun);
}
