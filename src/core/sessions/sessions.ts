// The row of a session. One session is one login of one user through one client on one device; its id is the `sid` of tokens.
import type { Actor } from '../audit/audit_events.ts';
import { type Columns, declareColumns, type Table } from '../store/columns.ts';

export type EndedReason =
  | 'logout'
  | 'ended_by_user'
  | 'logout_all'
  | 'device_removed'
  | 'reuse_detected'
  | 'token_revoked'
  | 'code_reused'
  | 'password_changed'
  | 'password_set_by_admin'
  | 'recovered'
  | 'address_undone'
  | 'not_me'
  | 'cap_evicted'
  | 'consent_withdrawn'
  | 'ended_by_admin'
  | 'user_banned'
  | 'user_disabled'
  | 'user_deleted'
  | 'client_deleted'
  | 'replaced'
  | 'expired';

export interface Session {
  id: string;
  user_id: string;
  client_id: string;
  device_id: string | null;
  /** The engine's Grant: the scopes for each resource. */
  grant_payload: Record<string, unknown>;
  /** The part of the engine's refresh token that rotations do not change. */
  token_payload: Record<string, unknown>;
  salt: Buffer;
  /** How many times the refresh token was rotated; 0 at login. */
  generation: number;
  rotated_at: Date | null;
  ip: string | null;
  user_agent: string | null;
  /** Seconds without use after which the session expires. */
  idle_ttl: number;
  created_at: Date;
  last_used_at: Date;
  absolute_expires_at: Date;
  ended_at: Date | null;
  ended_reason: EndedReason | null;
  ended_by: Actor | null;
  ended_by_id: string | null;
  /** Digest of the browser session in which the login happened; null for the password grant. */
  browser_session: string | null;
  /** Read by nodes of the previous version alone, see plain_session.ts. */
  is_plain: boolean;
  /** The user's `session_epoch` at the login; the session has ended when the user's is higher. */
  session_epoch: number;
  /** From where it was opened, which rotations do not change; null in a session that an earlier version opened. */
  login_ip: string | null;
  login_user_agent: string | null;
}

declare module 'knex/types/tables.js' {
  interface Tables {
    sessions: Table<Session>;
  }
}

export const sessionColumns = {
  grant_payload: 'json',
  token_payload: 'json',
  rotated_at: 'time',
  created_at: 'time',
  last_used_at: 'time',
  absolute_expires_at: 'time',
  ended_at: 'time',
  is_plain: 'boolean',
} as const satisfies Columns<Session>;
declareColumns('sessions', sessionColumns);
