// The session of a presented refresh token, with its user and everything that decides about the token. One SELECT.
import { isCurrentVersionSql } from '../clients/client_cache.ts';
import type { Columns } from '../store/columns.ts';
import { type Db, rows } from '../store/db.ts';
import { plusSeconds, present } from '../store/sql_time.ts';
import { statement } from '../store/statements.ts';
import { isActiveSql } from '../users/active_users.ts';
import type { UserStatus } from '../users/users.ts';
import { isExpiredSql, isOver } from './live_session.ts';
import type { Session } from './sessions.ts';
import { type TokenSession, tokenSessionColumns, tokenSessionSql } from './token_session.ts';

/** A session and the facts that the database decides by its own clock. */
export type PresentedSession = TokenSession &
  Pick<Session, 'client_id' | 'generation' | 'ended_at' | 'ended_reason'> & {
    is_expired: boolean;
    /** False when all sessions of the user have ended since the login, even if this row is not yet marked as ended. */
    is_current: boolean;
    /** Whether the predecessor of the current token is still answered again. */
    in_window: boolean;
    user_is_active: boolean;
    user_status: UserStatus;
    status_message: string | null;
    /** False when a client or resource server has changed since the version of the client cache. */
    is_current_version: boolean;
  };

const columns = {
  ...tokenSessionColumns,
  ended_at: 'time',
  is_expired: 'boolean',
  is_current: 'boolean',
  in_window: 'boolean',
  user_is_active: 'boolean',
  is_current_version: 'boolean',
} as const satisfies Columns<PresentedSession>;

/** SQL that is true while the version of the client cache is `:version`, or when the caller has read its client itself. */
export const isVersionSql = `(cast(:version as integer) is null or ${isCurrentVersionSql})`;

const presentedSql = (db: Db) => `
  select ${tokenSessionSql}, s.client_id, s.generation, s.ended_at, s.ended_reason, ${isExpiredSql(db, 's.')} as is_expired,
    s.session_epoch = u.session_epoch as is_current, ${isActiveSql('u.')} as user_is_active, u.status as user_status, u.status_message,
    coalesce(${plusSeconds(db, 's.rotated_at', ':window')} > :now, false) as in_window,
    cast(:version as integer) is null or r.version = :version as is_current_version
  from sessions s join users u on u.id = s.user_id cross join registry r where s.id = :id`;

const readNow = statement<PresentedSession>(
  { name: 'presented_session', commit: 'local' },
  presentedSql,
  columns,
);

interface Question {
  session_id: string;
  /** Seconds after a rotation in which its predecessor is answered again. */
  retry_window: number;
  version: number | null;
}

/** The session, ended or not, or null. In a transaction the caller holds its lock if it needs one. */
export async function findPresented(
  db: Db,
  { session_id, retry_window, version }: Question,
  at?: Date,
): Promise<PresentedSession | null> {
  const values = { id: session_id, window: retry_window, version };
  const [session] = at
    ? await rows<PresentedSession>(db, presentedSql(db), { ...values, now: present(db, at) }, columns)
    : await readNow(db, values);
  return session ?? null;
}

/** Why a session no longer refreshes, or null. A ban outlives the sessions that it ended, and is what the app has to tell its user. */
export function reasonOver(session: PresentedSession): string | null {
  if (!session.user_is_active) return `account_${session.user_status}`;
  const { ended_at, ended_reason, is_current, is_expired } = session;
  if ((ended_at && ended_reason !== 'expired') || !is_current) return 'session_ended';
  return ended_at || is_expired ? 'session_expired' : null;
}

/** Whether the token of this generation rotates the session. A higher one than the row's does too (rotating_update.ts). */
export function isDue(session: PresentedSession | null, generation: number): session is PresentedSession {
  return session !== null && !isOver(session) && session.generation <= generation;
}
