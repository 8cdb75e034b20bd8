// Lists of a user's live and ended sessions, and one session, as users and administrators see them.
import type { Columns } from '../store/columns.ts';
import { type Db, isPostgres, rows } from '../store/db.ts';
import { plusSeconds, present } from '../store/sql_time.ts';
import { statement } from '../store/statements.ts';
import { pendingEndingSql } from './ended_reason.ts';
import { isExpiredSql } from './live_session.ts';
import { placesSql } from './session_places.ts';
import type { Session } from './sessions.ts';

/** A session as lists show it: without the columns from which its tokens are derived. */
export interface ListedSession
  extends Omit<
    Session,
    | 'salt'
    | 'grant_payload'
    | 'token_payload'
    | 'is_plain'
    | 'session_epoch'
    | 'login_ip'
    | 'login_user_agent'
  > {
  /** From where it was used last. `ip` and `user_agent` are those of the login if the client is confidential. */
  last_ip: string | null;
  last_user_agent: string | null;
  is_expired: boolean;
  client_name: string | null;
  device_name: string | null;
  device_platform: string | null;
  device_app_version: string | null;
  device_device_id: string | null;
}

const listedColumns = {
  rotated_at: 'time',
  created_at: 'time',
  last_used_at: 'time',
  absolute_expires_at: 'time',
  ended_at: 'time',
  is_expired: 'boolean',
} as const satisfies Columns<ListedSession>;

const listed = (db: Db) => `
  select s.id, s.user_id, s.client_id, s.device_id, s.generation, s.rotated_at, ${placesSql}, s.idle_ttl, s.created_at,
    s.last_used_at, s.absolute_expires_at, ${endedAs('at')} as ended_at, ${endedAs('reason')} as ended_reason, ${endedAs('by')} as ended_by,
    s.ended_by_id, s.browser_session,
    ${isExpiredSql(db, 's.')} as is_expired, c.metadata->>'client_name' as client_name, d.name as device_name, d.platform as device_platform,
    d.app_version as device_app_version, d.device_id as device_device_id
  from sessions s join users u on u.id = s.user_id join clients c on c.client_id = s.client_id left join devices d on d.id = s.device_id
    ${pendingEndingSql}`;

// A session may have ended together with all others of its user while its row is not yet marked as ended (see end_many.ts). Then
// the pending ending supplies these columns.
function endedAs(what: 'at' | 'reason' | 'by'): string {
  const pending = { at: 'p.created_at', reason: "p.ending->>'reason'", by: "p.ending->>'actor'" };
  return `coalesce(s.ended_${what}, ${pending[what]})`;
}

/** The position after which a list continues. */
export interface SessionCursor {
  last_used_at: Date;
  id: string;
}

/** A live session as lists show it. */
export type LiveSession = Pick<
  ListedSession,
  | 'id'
  | 'client_id'
  | 'client_name'
  | 'device_id'
  | 'device_device_id'
  | 'device_name'
  | 'device_platform'
  | 'device_app_version'
  | 'ip'
  | 'user_agent'
  | 'last_ip'
  | 'last_user_agent'
  | 'generation'
  | 'created_at'
  | 'last_used_at'
  | 'browser_session'
> & {
  /** When the session expires if it is not used again. */
  expires_at: Date;
};

export const liveSessionColumns = {
  created_at: 'time',
  last_used_at: 'time',
  expires_at: 'time',
} as const satisfies Columns<LiveSession>;

/**
 * SQL for a user's live sessions, last used first, restricted by the condition `behind`. It selects only the columns that lists
 * show, because each further column or date costs the server as much as the rest of the row.
 */
export const liveSessionsSql = (db: Db, behind = '') => `
  select s.id, s.client_id, c.metadata->>'client_name' as client_name, s.device_id, d.device_id as device_device_id, d.name as device_name,
    d.platform as device_platform, d.app_version as device_app_version, ${placesSql}, s.generation, s.created_at,
    s.last_used_at, s.browser_session, ${isPostgres(db) ? 'least' : 'min'}(s.absolute_expires_at, ${plusSeconds(db, 's.last_used_at', 's.idle_ttl')}) as expires_at
  from sessions s join clients c on c.client_id = s.client_id left join devices d on d.id = s.device_id
  where s.user_id = ${unplanned(db, ':user_id', 'uuid')} and s.ended_at is null and not ${isExpiredSql(db, 's.')}
    and s.session_epoch = (select u.session_epoch from users u where u.id = :user_id) ${behind}
  order by s.last_used_at desc, s.id desc limit ${unplanned(db, ':limit', 'bigint')}`;

// A value that Postgres does not plan by. Else it finds a plan for this user cheaper than one for any user, and plans at each
// execution, which takes three times as long as the rest of the statement.
function unplanned(db: Db, value: string, type: string): string {
  return isPostgres(db) ? `(select cast(${value} as ${type}))` : value;
}

// Nearly all requests of apps and pages are for the first page.
const findFirstPage = statement<LiveSession>(
  { name: 'live_sessions', commit: 'local' },
  (db) => liveSessionsSql(db),
  liveSessionColumns,
);

/** A user's live sessions, last used first, `limit` at a time. */
export async function listLiveSessions(
  db: Db,
  user_id: string,
  { limit = 50, after }: { limit?: number; after?: SessionCursor | undefined } = {},
  at?: Date,
): Promise<LiveSession[]> {
  if (!after && !at) return await findFirstPage(db, { user_id, limit });
  const behind = after ? 'and (s.last_used_at < :used or (s.last_used_at = :used and s.id < :after))' : '';
  return await rows<LiveSession>(
    db,
    liveSessionsSql(db, behind),
    {
      user_id,
      limit,
      now: present(db, at),
      used: after?.last_used_at ?? null,
      after: after?.id ?? null,
    },
    liveSessionColumns,
  );
}

/** How many of the latest ended sessions are searched for those that a renewal did not replace. */
const maxEnded = 500;

/**
 * A user's ended sessions, last ended first, without those that a renewal replaced: there the user never signed out. An expired
 * session is listed once it has been marked as ended.
 */
export async function listEndedSessions(db: Db, user_id: string, limit: number): Promise<ListedSession[]> {
  return await rows<ListedSession>(
    db,
    `${listed(db)} where s.id in (
       select e.id from (select id, ended_at, ended_reason from sessions where user_id = :user_id and ended_at is not null
         order by ended_at desc limit ${maxEnded}) e
       where e.ended_reason <> 'replaced' order by e.ended_at desc limit :limit)
     order by s.ended_at desc limit :limit`,
    { user_id, limit, now: present(db) },
    listedColumns,
  );
}

/** One session of this user, live or ended; null when there is none, or when it belongs to another user. */
export async function findUserSession(
  db: Db,
  user_id: string,
  id: string,
  at?: Date,
): Promise<ListedSession | null> {
  const [session] = await rows<ListedSession>(
    db,
    `${listed(db)} where s.id = :id and s.user_id = :user_id`,
    {
      id,
      user_id,
      now: present(db, at),
    },
    listedColumns,
  );
  return session ?? null;
}

/** One session of any user, live or ended, or null. */
export async function findAnySession(db: Db, id: string, at?: Date): Promise<ListedSession | null> {
  const [session] = await rows<ListedSession>(
    db,
    `${listed(db)} where s.id = :id`,
    {
      id,
      now: present(db, at),
    },
    listedColumns,
  );
  return session ?? null;
}
