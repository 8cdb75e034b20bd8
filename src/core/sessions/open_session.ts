// Opens a session at the login, and completes it when its tokens are issued later.
import type { Knex } from 'knex';
import { newId } from '../../lib/ids.ts';
import { eventTime, notifyListeners } from '../audit/audit.ts';
import type { RequestSource } from '../request_source.ts';
import { json } from '../store/columns.ts';
import { isForeignKeyViolation } from '../store/database_errors.ts';
import { type Db, isPostgres, rows } from '../store/db.ts';
import { plusSeconds, present } from '../store/sql_time.ts';
import { statement } from '../store/statements.ts';
import { isActiveSql } from '../users/active_users.ts';
import { forgetPersonalData } from '../users/personal_data.ts';
import { isPlain } from './plain_session.ts';
import { newSalt } from './refresh_token.ts';
import { type Capped, evictBeyondCap, finishEvicting } from './session_cap.ts';
import { type Session, sessionColumns } from './sessions.ts';

export interface NewSession {
  /** Given when the engine has already chosen the id of its Grant. */
  id?: string;
  user_id: string;
  /** The password hash that this login was verified against; when the password has changed since, no session opens. */
  proved_hash?: string | null;
  /** The user's `session_epoch` when the login was verified; when all sessions have ended since, no session opens. */
  proved_epoch?: number | null;
  client_id: string;
  device_id: string | null;
  grant_payload: object;
  token_payload: object;
  /** Seconds. */
  idle_ttl: number;
  absolute_ttl: number;
  browser_session?: string | null;
  /** The client's cap, for a session that is complete at once; the cap of any other counts at its exchange. */
  max_sessions?: number | null;
  source: RequestSource;
}

/**
 * Opens a session. Returns null when the user is not active, or when the password has changed or all sessions have ended
 * since the login was verified. The UPDATE that records the login locks the user's row: a ban or a password change either
 * comes first, and no session opens, or comes later, and ends this one. On Postgres all of it is one statement.
 */
export async function openSession(db: Db, input: NewSession, at?: Date): Promise<Session | null> {
  const session = { id: input.id ?? newId(at?.getTime()), salt: newSalt() };
  const values = {
    ...session,
    user_id: input.user_id,
    proved_hash: input.proved_hash ?? null,
    proved_epoch: input.proved_epoch ?? null,
    client_id: input.client_id,
    device_id: input.device_id,
    grant_payload: json(input.grant_payload),
    token_payload: json(input.token_payload),
    is_plain: isPlain(input.token_payload, input.grant_payload),
    idle_ttl: input.idle_ttl,
    absolute_ttl: input.absolute_ttl,
    browser_session: input.browser_session ?? null,
    event_id: newId((at ?? eventTime(db)).getTime()),
    ...input.source,
  };
  const { user_id, client_id, source, max_sessions = null } = input;
  const capped = max_sessions === null ? null : { id: session.id, user_id, client_id, max_sessions, source };
  const created = await unlessRemoved(() =>
    capped ? insertCapped(db, values, capped, at) : insertOpened(db, values, at),
  );
  if (!created) {
    // A concurrent login may have stored its device or a consent just after the user was deleted.
    await forgetPersonalData(db, input.user_id);
    return null;
  }
  notifyListeners(db, [
    {
      type: 'session_opened',
      user_id,
      client_id,
      session_id: created.id,
      actor: 'user',
      actor_id: user_id,
      ...source,
    },
  ]);
  return created;
}

// Undefined when the client or the device was removed during the login.
async function unlessRemoved<Result>(insert: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await insert();
  } catch (error) {
    if (isForeignKeyViolation(error)) return undefined;
    throw error;
  }
}

// Opens the session and ends those beyond the cap in one transaction: opening has locked the user's row.
async function insertCapped(
  db: Db,
  values: Record<string, Knex.RawBinding>,
  capped: Capped,
  at: Date | undefined,
): Promise<Session | undefined> {
  const { opened, hasMore } = await db.transaction(async (tx) => {
    const opened = await insertOpened(tx, values, at);
    return { opened, hasMore: opened !== undefined && (await evictBeyondCap(tx, capped, at)) };
  });
  if (hasMore) await finishEvicting(db, capped);
  return opened;
}

// Undefined when the user may not log in.
async function insertOpened(
  db: Db,
  values: Record<string, Knex.RawBinding>,
  at: Date | undefined,
): Promise<Session | undefined> {
  const atOnce = isPostgres(db);
  if (atOnce && !at) return (await openAtOnce(db, values))[0];
  const dated = { ...values, now: present(db, at) };
  const opened = atOnce
    ? await rows<Session>(db, openSql(db), dated, sessionColumns)
    : await db.transaction((tx) => openInSteps(tx, dated));
  return opened[0];
}

const markLogin = `update users set last_login_at = :now where id = :user_id and ${isActiveSql()}
  and (cast(:proved_hash as text) is null or password_hash = :proved_hash)
  and (cast(:proved_epoch as integer) is null or session_epoch = :proved_epoch) returning id, session_epoch`;

const insertSession = (db: Db) => `
  insert into sessions (id, user_id, client_id, device_id, grant_payload, token_payload, salt, generation, ip, user_agent,
    idle_ttl, created_at, last_used_at, absolute_expires_at, browser_session, is_plain, session_epoch, login_ip, login_user_agent)
  select :id, :user_id, :client_id, :device_id, :grant_payload, :token_payload, :salt, 0, :ip, :user_agent,
    :idle_ttl, :now, :now, ${plusSeconds(db, ':now', ':absolute_ttl')}, :browser_session, :is_plain, session_epoch, :ip, :user_agent from`;

const noteOpened = `
  insert into audit_events (id, created_at, type, user_id, session_id, client_id, actor, actor_id, ip, user_agent, request_id)
  select :event_id, :now, 'session_opened', :user_id, :id, :client_id, 'user', :user_id, :ip, :user_agent, :request_id`;

// Names the columns, because a prepared `*` fails when a newer node adds a column.
const columns = `id, user_id, client_id, device_id, grant_payload, token_payload, salt, generation, rotated_at, ip, user_agent, idle_ttl,
  created_at, last_used_at, absolute_expires_at, ended_at, ended_reason, ended_by, ended_by_id, browser_session, is_plain, session_epoch,
  login_ip, login_user_agent`;

const openSql = (db: Db) =>
  `with u as (${markLogin}), s as (${insertSession(db)} u returning ${columns}), e as (${noteOpened} from s) select ${columns} from s`;

const openAtOnce = statement<Session>('open_session', openSql, sessionColumns);

async function openInSteps(
  tx: Knex.Transaction,
  values: Record<string, Knex.RawBinding>,
): Promise<Session[]> {
  const active = await rows(tx, markLogin, values);
  if (active.length === 0) return [];
  const opened = await rows<Session>(
    tx,
    `${insertSession(tx)} users where id = :user_id returning *`,
    values,
    sessionColumns,
  );
  await tx.raw(noteOpened, values);
  return opened;
}
