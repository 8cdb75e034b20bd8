// Finds one session with its user, for every decision about one of its tokens.
import type { Columns } from '../store/columns.ts';
import { type Db, rows } from '../store/db.ts';
import { present } from '../store/sql_time.ts';
import { isActiveSql } from '../users/active_users.ts';
import type { UserStatus } from '../users/users.ts';
import { isExpiredSql } from './live_session.ts';
import { type Session, sessionColumns } from './sessions.ts';

/** A session with its user, and the facts that the database decides by its own clock. */
export interface SessionWithUser extends Session {
  is_expired: boolean;
  /** False when all sessions of the user have ended since the login, even if this row is not yet marked as ended. */
  is_current: boolean;
  user_is_active: boolean;
  user_status: UserStatus;
  status_message: string | null;
  username: string;
  email: string | null;
  roles: string[];
  permissions: string[];
  tenant_id: string | null;
  token_version: number;
}

const columns = {
  ...sessionColumns,
  is_expired: 'boolean',
  is_current: 'boolean',
  user_is_active: 'boolean',
  roles: 'json',
  permissions: 'json',
} as const satisfies Columns<SessionWithUser>;

/** The session with its user, ended or not, or null. One SELECT. */
export async function findSession(db: Db, id: string, at?: Date): Promise<SessionWithUser | null> {
  const [session] = await rows<SessionWithUser>(
    db,
    `select s.*, ${isExpiredSql(db, 's.')} as is_expired, s.session_epoch = u.session_epoch as is_current, ${isActiveSql('u.')} as user_is_active, u.status as user_status, u.status_message,
       u.username, u.email, u.roles, u.permissions, u.tenant_id, u.token_version
     from sessions s join users u on u.id = s.user_id where s.id = :id`,
    { id, now: present(db, at) },
    columns,
  );
  return session ?? null;
}
