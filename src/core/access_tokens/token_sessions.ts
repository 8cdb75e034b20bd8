// The sessions of a user whose access token is presented: one SELECT checks the token and lists the sessions.
import { parseId } from '../../lib/ids.ts';
import { type LiveSession, liveSessionColumns, liveSessionsSql } from '../sessions/session_list.ts';
import type { Db } from '../store/db.ts';
import { statement, type WithIsoTimes } from '../store/statements.ts';
import type { AccessTokenClaims } from './access_tokens.ts';
import { liveSessionTokenSql, liveTokenValues } from './live_token.ts';

const findForToken = statement<LiveSession>(
  { name: 'live_sessions_for_token', isoTimes: true },
  (db) => liveSessionsSql(db, `and exists (${liveSessionTokenSql(db)})`),
  liveSessionColumns,
);

/**
 * The first page of the live sessions of the user who holds this access token, whose signature has been checked. It is
 * empty when the token is no longer good: the session of a good token would be among them.
 */
export async function listForToken(
  db: Db,
  claims: AccessTokenClaims,
  limit: number,
): Promise<WithIsoTimes<LiveSession>[]> {
  const sid = parseId(claims.sid);
  return sid ? await findForToken(db, { ...liveTokenValues(claims), user_id: claims.sub, sid, limit }) : [];
}
