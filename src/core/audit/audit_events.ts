// The table of the audit trail: which events there are, what one holds, and how they are appended. No event is changed.
import { newId } from '../../lib/ids.ts';
import { declareColumns, json, type Table } from '../store/columns.ts';
import { type Db, isPostgres } from '../store/db.ts';
import { localCommitTable } from '../store/local_commit.ts';
import { statement } from '../store/statements.ts';

export type EventType =
  | 'session_opened'
  | 'session_ended'
  | 'client_token_issued'
  | 'client_authentication_failed'
  | 'refresh_token_rotated'
  | 'refresh_token_retried'
  | 'refresh_token_reused'
  | 'refresh_token_reuse_observed'
  | 'access_token_revoked'
  | 'login_failed'
  | 'user_created'
  | 'user_updated'
  | 'user_status_changed'
  | 'user_logged_out'
  | 'password_changed'
  | 'password_set_by_admin'
  | 'recovery_requested'
  | 'recovery_link_created'
  | 'recovery_failed'
  | 'user_recovered'
  | 'email_change_requested'
  | 'email_change_failed'
  | 'email_changed'
  | 'email_change_undone'
  | 'email_lost'
  | 'addresses_trusted'
  | 'not_me_reported'
  | 'sign_up_requested'
  | 'user_signed_up'
  | 'invitation_created'
  | 'invitation_withdrawn'
  | 'invitation_accepted'
  | 'user_unlocked'
  | 'user_exported'
  | 'user_deletion_failed'
  | 'consent_given'
  | 'consent_withdrawn'
  | 'password_change_failed'
  | 'client_created'
  | 'client_registered'
  | 'client_updated'
  | 'client_deleted'
  | 'client_secret_added'
  | 'client_secret_removed'
  | 'resource_server_created'
  | 'resource_server_updated'
  | 'resource_server_deleted'
  | 'signing_key_rotated'
  | 'message_retried'
  | 'message_dropped';

/** Who did it: the user, an administrator, a client, or the server by its own rules. */
export type Actor = 'user' | 'admin' | 'client' | 'system';

export interface NewEvent {
  type: EventType;
  user_id?: string | null;
  session_id?: string | null;
  client_id?: string | null;
  actor?: Actor;
  actor_id?: string | null;
  reason?: string | null;
  ip?: string | null;
  user_agent?: string | null;
  request_id?: string | null;
  detail?: Record<string, unknown> | null;
}

export interface AuditEvent {
  id: string;
  created_at: Date;
  type: EventType;
  user_id: string | null;
  session_id: string | null;
  client_id: string | null;
  actor: Actor | null;
  actor_id: string | null;
  reason: string | null;
  ip: string | null;
  user_agent: string | null;
  request_id: string | null;
  detail: Record<string, unknown> | null;
}

declare module 'knex/types/tables.js' {
  interface Tables {
    audit_events: Table<AuditEvent>;
  }
}

declareColumns('audit_events', { created_at: 'time', detail: 'json' });

const columnNames =
  'id, created_at, type, user_id, session_id, client_id, actor, actor_id, reason, ip, user_agent, request_id, detail';

/**
 * The beginning of an INSERT of one event, for a statement of Postgres that causes it: `… from` a relation with one row, or none
 * when there is no event. `user_id` and `session_id` are SQL; the other columns are named values, without detail.
 */
export function insertOneEventSql(user_id: string, session_id = 'cast(:session_id as uuid)'): string {
  return `insert into audit_events (${columnNames})
    select cast(:event_id as uuid), cast(:event_at as timestamptz), :event_type, ${user_id}, ${session_id}, :client_id, :actor,
      :actor_id, :reason, :ip, :user_agent, :request_id, null::jsonb`;
}

// An event that a broken connection had written after all is not written again (`on conflict do nothing`).
// On Postgres all rows are sent as one value: a query builder's INSERT of 50 rows has 650 values and takes ten times as long.
const appendAll = statement(
  // The batch holds what no answer has waited for, so it waits for no standby either; events of a transaction go with it.
  { name: 'append_events', alone: true, commit: 'local' },
  (db) => `
  insert into audit_events (${columnNames})
  select ${columnNames}
  from json_to_recordset(cast(:events as json)) as e (id uuid, created_at timestamptz, type text, user_id uuid, session_id uuid, client_id text,
    actor text, actor_id text, reason text, ip text, user_agent text, request_id text, detail jsonb)${localCommitTable(db)}
  on conflict (id) do nothing`,
);

/** Appends rows to the trail. */
export async function appendEventRows(db: Db, waiting: AuditEvent[]): Promise<void> {
  if (isPostgres(db)) await appendAll(db, { events: json(waiting) });
  else {
    for (let from = 0; from < waiting.length; from += 50)
      await db('audit_events')
        .insert(waiting.slice(from, from + 50).map(forColumns))
        .onConflict('id')
        .ignore();
  }
}

/** The row of an event that happened at `at`. */
export function toEventRow(event: NewEvent, at: Date): AuditEvent {
  return {
    id: newId(at.getTime()),
    created_at: at,
    type: event.type,
    user_id: event.user_id ?? null,
    session_id: event.session_id ?? null,
    client_id: event.client_id ?? null,
    actor: event.actor ?? null,
    actor_id: event.actor_id ?? null,
    reason: event.reason ?? null,
    ip: event.ip ?? null,
    user_agent: event.user_agent ?? null,
    request_id: event.request_id ?? null,
    detail: event.detail ?? null,
  };
}

function forColumns(row: AuditEvent) {
  return { ...row, detail: row.detail && json(row.detail) };
}
