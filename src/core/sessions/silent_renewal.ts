// A code that was obtained without a new login replaces an earlier session of the same browser and client that was never used.
// Without this, a client that renews its login silently every quarter of an hour would open a hundred sessions a day.
import { eventTime, notifyListeners, recordEvents } from '../audit/audit.ts';
import { insertOneEventSql, toEventRow } from '../audit/audit_events.ts';
import type { RequestSource } from '../request_source.ts';
import { type Db, isPostgres, rows } from '../store/db.ts';
import { plusSeconds, present } from '../store/sql_time.ts';
import { type EndCause, endedEvent } from './end_sessions.ts';
import { isExpiredSql } from './live_session.ts';
import type { Session } from './sessions.ts';

/** The session that a renewal completes, and what says which earlier one it replaces. */
export interface Renewal {
  session: Pick<Session, 'id' | 'user_id' | 'client_id' | 'browser_session'>;
  /** When the user logged in, seconds: a session of an earlier login is not replaced. */
  auth_time: number;
  /** Seconds that an access token of this client lives where its resource server does not say. */
  access_token_ttl: number;
  source: RequestSource;
}

const cause = { reason: 'replaced', actor: 'system', actor_id: null } as const satisfies EndCause;

/** The most live sessions of one browser among which the earlier one is looked for. */
const maxCandidates = 200;

// Identifiers of the resource servers to which the session `o` was granted something.
const grantedServersSql = (db: Db) =>
  isPostgres(db)
    ? "select jsonb_object_keys(o.grant_payload->'resources')"
    : "select key from json_each(o.grant_payload, '$.resources')";

// Seconds that an access token of the session `o` lives at most.
const longestTtlSql = (db: Db) => `${isPostgres(db) ? 'greatest' : 'max'}(:access_token_ttl, coalesce((
  select max(r.access_token_ttl) from resource_servers r where r.identifier in (${grantedServersSql(db)})), 0))`;

/**
 * SQL that ends the session and returns its id. Its conditions are compared again when the row is locked, so a refresh in the same
 * moment either comes first, and the session goes on, or finds it ended. It waits for no lock: a row that another transaction
 * changes is not replaced. `also` is a further condition.
 */
export const replaceSql = (db: Db, also = 'true') => `
  update sessions set ended_at = :now, ended_reason = '${cause.reason}', ended_by = '${cause.actor}'
  where ended_at is null and generation = 0 and ${also} and id = (
    select o.id from sessions o join users u on u.id = o.user_id
    where o.id in (select b.id from sessions b where b.browser_session = :browser_session and b.ended_at is null limit ${maxCandidates})
      and o.id <> :id and o.user_id = :user_id and o.client_id = :client_id and o.device_id is null
      and o.ended_at is null and o.session_epoch = u.session_epoch and not ${isExpiredSql(db, 'o.')}
      and o.generation = 0 and o.token_payload->>'gty' = 'authorization_code'
      and cast(o.token_payload->>'authTime' as bigint) = :auth_time
      and ${plusSeconds(db, 'o.last_used_at', longestTtlSql(db))} <= :now
    order by o.id limit 1 ${isPostgres(db) ? 'for update of o skip locked' : ''})
  returning id`;

/** SQL that records the end of the session of `ended`, a relation with the column `id` and at most one row. */
export const recordReplacedSql = (ended: string) =>
  `${insertOneEventSql('cast(:user_id as uuid)', `${ended}.id`)} from ${ended}`;

function replacedEvent(session_id: string, { session, source }: Renewal) {
  return endedEvent({ ...session, id: session_id }, { ...cause, source });
}

function replacingValues({ session, auth_time, access_token_ttl }: Renewal) {
  const { id, user_id, client_id, browser_session } = session;
  return { id, user_id, client_id, browser_session, auth_time, access_token_ttl };
}

/** The values of {@link replaceSql} and {@link recordReplacedSql}. */
export function renewalValues(db: Db, renewal: Renewal) {
  const { id, created_at, type, ...columns } = toEventRow(replacedEvent('', renewal), eventTime(db));
  const { actor, actor_id, reason, ip, user_agent, request_id } = columns;
  return {
    ...replacingValues(renewal),
    ...{ event_id: id, event_at: created_at, event_type: type },
    ...{ actor, actor_id, reason, ip, user_agent, request_id },
  };
}

/** Tells the listeners of the trail about the end that a statement with {@link recordReplacedSql} has recorded. */
export function notifyReplaced(db: Db, session_id: string, renewal: Renewal): void {
  notifyListeners(db, [replacedEvent(session_id, renewal)]);
}

/** Replaces the session on SQLite, in the transaction that completes the new one. */
export async function replaceInTransaction(tx: Db, renewal: Renewal): Promise<void> {
  const values = { ...replacingValues(renewal), now: present(tx) };
  const [ended] = await rows<{ id: string }>(tx, replaceSql(tx), values);
  if (ended) await recordEvents(tx, [replacedEvent(ended.id, renewal)]);
}
