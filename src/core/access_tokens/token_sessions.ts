// Lists the sessions of the user whose access token is presented. One SELECT checks the token and reads the list.
import { parseId } from '../../lib/ids.ts';
import { type LiveSession, liveSessionColumns, liveSessionsSql } from '../sessions/session_list.ts';
import type { Db } from '../store/db.ts';
import { statement, type WithIsoTimes } from '../store/statements.ts';
import type { AccessTokenClaims } from './access_tokens.ts';
import { liveSessionTokenSql, liveTokenValues } from './live_token.ts';

const findForToken = statement<LiveSession>(
  { name: 'live_sessions_for_token', isoTimes: true, commit: 'local' },
  (db) => liveSessionsSql(db, `and exists (${liveSessionTokenSql(db)})`),
  liveSessionColumns,
);

/**
 * The first page of the live sessions of the user of this access token, whose signature has been verified. It is empty when the
 * token is inactive: the session of an active token would be in the list.
 */
export async function listForToken(
  db: Db,
  claims: AccessTokenClaims,
  limit: number,
): Promise<WithIsoTimes<LiveSession>[]> {
  const sid = parseId(claims.sid);
  return sid ? await findForToken(db, { ...liveTokenValues(claims), user_id: claims.sub, sid, limit }) : [];
}
