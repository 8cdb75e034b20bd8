// The records of opaque access tokens, written without the engine in the form that it reads.
import { digest } from '../../lib/crypto.ts';
import { json } from '../store/columns.ts';
import type { Db } from '../store/db.ts';
import { localCommitSql } from '../store/local_commit.ts';
import { plusSeconds } from '../store/sql_time.ts';
import { statement } from '../store/statements.ts';

export interface AccessTokenRecord {
  model: 'AccessToken' | 'ClientCredentials';
  /** The token itself; its digest is stored. */
  token: string;
  /** The members of the engine's model except `jti`. */
  payload: Record<string, unknown>;
  /** Null for a token of `client_credentials`. */
  session_id: string | null;
  user_id: string | null;
  /** Seconds. */
  ttl: number;
}

// Does not wait for a standby: a token whose record is lost in a failover is inactive, and its client refreshes.
const insertRecord = statement<{ id: string }>(
  { name: 'access_token_record', commit: 'local' },
  (db) => `
  insert into oidc_models (model, id, payload, session_id, user_id, expires_at, created_at)
  values (:model, :id, :payload, :session_id, :user_id, ${plusSeconds(db, ':now', ':ttl')}, :now)
  returning id${localCommitSql(db)}`,
);

/** Writes the record of a new opaque access token. */
export async function saveAccessTokenRecord(db: Db, record: AccessTokenRecord): Promise<void> {
  const { model, token, payload, session_id, user_id, ttl } = record;
  await insertRecord(db, { model, id: digest(token), payload: json(payload), session_id, user_id, ttl });
}
