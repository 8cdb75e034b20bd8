// Ends every session: after a restore, when it is unknown which sessions had ended since the backup.
import type { Knex } from 'knex';
import { firstIdOf } from '../../lib/ids.ts';
import { type EndCause, endLiveSessions } from '../sessions/end_sessions.ts';
import type { Session } from '../sessions/sessions.ts';
import { isPostgres } from '../store/db.ts';
import { readClock } from '../store/sql_time.ts';

const batch = 500;

/**
 * Ends every live session that was opened before now, and every login at our pages, in batches; users who log in meanwhile
 * stay logged in. Calls `progress` with the number of sessions ended so far, and returns the total.
 */
export async function endEverySession(
  db: Knex,
  ending: EndCause,
  progress: (ended: number) => void = () => {},
): Promise<number> {
  const now = await readClock(db);
  // First, because a browser that is logged in could open a new session meanwhile.
  await endBrowserSessions(db, now);
  const until = firstIdOf(now);
  let ended = 0;
  for (let after = firstIdOf(new Date(0)); ; ) {
    const page = await listLive(db, after, until);
    const last = page.at(-1);
    if (!last) return ended;
    ended += await db.transaction((tx) => endPage(tx, page, ending));
    progress(ended);
    after = last.id;
  }
}

async function endBrowserSessions(db: Knex, before: Date): Promise<void> {
  const page = db('oidc_models')
    .where({ model: 'Session' })
    .where((row) => row.whereNull('created_at').orWhere('created_at', '<', before))
    .limit(batch)
    .select('id');
  const removed = await db('oidc_models').where({ model: 'Session' }).whereIn('id', page).delete();
  if (removed === batch) await endBrowserSessions(db, before);
}

type Live = Pick<Session, 'id' | 'user_id'>;

async function listLive(db: Knex, after: string, until: string): Promise<Live[]> {
  return await db('sessions')
    .whereNull('ended_at')
    .where('id', '>', after)
    .where('id', '<', until)
    .orderBy('id')
    .limit(batch)
    .select('id', 'user_id');
}

// Locks users before sessions and in one order, so that two such processes never deadlock.
async function endPage(tx: Knex.Transaction, page: Live[], ending: EndCause): Promise<number> {
  const users = [...new Set(page.map((session) => session.user_id))];
  if (isPostgres(tx)) await tx('users').whereIn('id', users).orderBy('id').forUpdate().select('id');
  const ids = page.map((session) => session.id);
  return await endLiveSessions(tx, ids, ending);
}
