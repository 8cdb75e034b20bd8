// The session of a presented access token, and the list of its user's sessions. One SELECT checks the token and reads.
import { parseId } from '../../lib/ids.ts';
import {
  type SessionWithUser,
  sessionWithUserColumns,
  sessionWithUserSql,
} from '../sessions/find_session.ts';
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

/** A session, and the version of the client cache at this moment. */
export type VersionedSession = SessionWithUser & { version: number };

const findForLive = statement<VersionedSession>(
  { name: 'session_of_live_token', commit: 'local' },
  (db) =>
    liveSessionTokenSql(
      db,
      undefined,
      `${sessionWithUserSql(db)}, (select version from registry) as version`,
    ),
  sessionWithUserColumns,
);

/** The session of this access token, whose signature or record has been verified; null when the token is inactive. */
export async function findSessionOfToken(
  db: Db,
  claims: AccessTokenClaims,
): Promise<VersionedSession | null> {
  const sid = parseId(claims.sid);
  const [session] = sid ? await findForLive(db, { ...liveTokenValues(claims), sid }) : [];
  return session ?? null;
}
