// The session behind a refresh token that is introspected (RFC 7662): one SELECT, which also checks the version of the client cache.
import { isCurrentVersionSql } from '../clients/client_cache.ts';
import type { Columns } from '../store/columns.ts';
import type { Db } from '../store/db.ts';
import { statement } from '../store/statements.ts';
import { isActiveSql } from '../users/active_users.ts';
import { isLiveSql } from './live_session.ts';
import { type DecodedRefreshToken, verifyProof } from './refresh_token.ts';
import type { Session } from './sessions.ts';

/** The columns of the session that the answer is made of. */
export type IntrospectedSession = Pick<
  Session,
  | 'id'
  | 'user_id'
  | 'client_id'
  | 'salt'
  | 'generation'
  | 'token_payload'
  | 'idle_ttl'
  | 'created_at'
  | 'rotated_at'
  | 'last_used_at'
  | 'absolute_expires_at'
>;

type Found = { is_current_version: boolean } & ((IntrospectedSession & { is_live: boolean }) | { id: null });

const foundColumns = {
  is_current_version: 'boolean',
  is_live: 'boolean',
  token_payload: 'json',
  created_at: 'time',
  rotated_at: 'time',
  last_used_at: 'time',
  absolute_expires_at: 'time',
} as const satisfies Columns<Found>;

const read = statement<Found>(
  { name: 'introspected_session', commit: 'local' },
  (db) => `
  select ${isCurrentVersionSql} as is_current_version, s.id, s.user_id, s.client_id, s.salt, s.generation, s.token_payload, s.idle_ttl,
    s.created_at, s.rotated_at, s.last_used_at, s.absolute_expires_at, ${isLiveSql(db, 's.', 'u.')} and ${isActiveSql('u.')} as is_live
  from (select 1 as one) as one left join (sessions s join users u on u.id = s.user_id) on s.id = :id`,
  foundColumns,
);

/**
 * The session whose newest refresh token this is, a token whose tag has been verified; null when it is not the newest or not live.
 * `is_current_version` is false when a client may have changed since this version of the client cache.
 */
export async function findIntrospectedSession(
  db: Db,
  version: number,
  token: DecodedRefreshToken,
): Promise<{ is_current_version: boolean; session: IntrospectedSession | null }> {
  const [found] = await read(db, { id: token.session_id, version });
  if (!found) throw new Error('a left join gives a row');
  const { is_current_version } = found;
  if (found.id === null || !found.is_live) return { is_current_version, session: null };
  const isNewest = token.generation >= found.generation && verifyProof(token, found.salt);
  return { is_current_version, session: isNewest ? found : null };
}
