// Browser sessions as the engine stores them (model `Session`): the logins at our own pages. `second_id` is the digest of
// the engine's `uid`.
import type { RequestSource } from '../request_source.ts';
import type { Db } from '../store/db.ts';
import { statement } from '../store/statements.ts';
import { isCurrentRecordSql } from './engine_records.ts';

/** SQL that finds the live browser session `:second_id` of the user `:user_id`. */
export const browserSessionSql = `select 1 from oidc_models where model = 'Session' and user_id = :user_id and second_id = :second_id
    and expires_at > :now and ${isCurrentRecordSql}`;

const find = statement({ name: 'browser_session_lives', commit: 'local' }, () => browserSessionSql);

/** Whether this user is logged in in this browser. */
export async function isBrowserSession(db: Db, user_id: string, second_id: string): Promise<boolean> {
  return (await find(db, { user_id, second_id })).length > 0;
}

/** Records from where a browser session was last used. */
export async function updateBrowserSessionSource(
  db: Db,
  second_id: string,
  source: RequestSource,
): Promise<void> {
  const { ip, user_agent } = source;
  await db('oidc_models').where({ model: 'Session', second_id }).update({ ip, user_agent });
}

/** Deletes one browser session of a user; false when the user has no such browser session. */
export async function deleteBrowserSession(db: Db, user_id: string, second_id: string): Promise<boolean> {
  return (await db('oidc_models').where({ model: 'Session', user_id, second_id }).delete()) > 0;
}

/** Deletes up to `limit` browser sessions of a user whose login has no epoch or one below `epoch`; returns how many. */
export async function deleteBrowserSessionsBelowEpoch(
  db: Db,
  { user_id, epoch, kept_browser }: { user_id: string; epoch: number; kept_browser: string | null },
  limit: number,
): Promise<number> {
  const page = db('oidc_models')
    .where({ model: 'Session', user_id })
    .where((one) => one.whereNull('session_epoch').orWhere('session_epoch', '<', epoch))
    .limit(limit)
    .select('id');
  if (kept_browser !== null) page.whereNot({ second_id: kept_browser });
  return await db('oidc_models').where({ model: 'Session' }).whereIn('id', page).delete();
}
