// Finds one session with its user, for every decision about one of its tokens.
import type { Columns } from '../store/columns.ts';
import { type Db, rows } from '../store/db.ts';
import { present } from '../store/sql_time.ts';
import { statement } from '../store/statements.ts';
import { isActiveSql } from '../users/active_users.ts';
import type { ProfileClaims, UserStatus } from '../users/users.ts';
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
  username: string | null;
  email: string | null;
  email_verified_at: Date | null;
  claims: ProfileClaims | null;
  roles: string[];
  permissions: string[];
  tenant_id: string | null;
  token_version: number;
  /** The user's. */
  updated_at: Date;
}

export const sessionWithUserColumns = {
  ...sessionColumns,
  is_expired: 'boolean',
  is_current: 'boolean',
  user_is_active: 'boolean',
  email_verified_at: 'time',
  claims: 'json',
  roles: 'json',
  permissions: 'json',
  updated_at: 'time',
} as const satisfies Columns<SessionWithUser>;

// Names the columns, because a prepared `*` fails when a newer node adds a column.
const columnsOfSession =
  'id user_id client_id device_id grant_payload token_payload salt generation rotated_at ip user_agent idle_ttl created_at last_used_at absolute_expires_at ended_at ended_reason ended_by ended_by_id browser_session is_plain session_epoch login_ip login_user_agent';
const columnsOfUser =
  'username email email_verified_at claims roles permissions tenant_id token_version updated_at status_message';

/** The columns of {@link SessionWithUser}, of `sessions s` and `users u`. */
export function sessionWithUserSql(db: Db): string {
  const list = (columns: string, alias: string) =>
    columns
      .split(' ')
      .map((name) => `${alias}.${name}`)
      .join(', ');
  return `${list(columnsOfSession, 's')}, ${list(columnsOfUser, 'u')}, u.status as user_status, ${isExpiredSql(db, 's.')} as is_expired,
    s.session_epoch = u.session_epoch as is_current, ${isActiveSql('u.')} as user_is_active`;
}

const findSql = (db: Db) =>
  `select ${sessionWithUserSql(db)} from sessions s join users u on u.id = s.user_id where s.id = :id`;

const findNow = statement<SessionWithUser>(
  { name: 'session_with_user', commit: 'local' },
  findSql,
  sessionWithUserColumns,
);

/** The session with its user, ended or not, or null. One SELECT. */
export async function findSession(db: Db, id: string, at?: Date): Promise<SessionWithUser | null> {
  const [session] = at
    ? await rows<SessionWithUser>(db, findSql(db), { id, now: present(db, at) }, sessionWithUserColumns)
    : await findNow(db, { id });
  return session ?? null;
}
