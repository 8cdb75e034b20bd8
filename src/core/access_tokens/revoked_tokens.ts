// Single access tokens that were revoked before they expired, by `jti`.
import { declareColumns, type Table } from '../store/columns.ts';
import type { Db } from '../store/db.ts';
import type { AccessTokenClaims } from './access_tokens.ts';

declare module 'knex/types/tables.js' {
  interface Tables {
    revoked_tokens: Table<{ jti: string; expires_at: Date }>;
  }
}

declareColumns('revoked_tokens', { expires_at: 'time' });

/** Revokes one access token. The row stays until the token would have expired. */
export async function revokeAccessToken(
  db: Db,
  claims: Pick<AccessTokenClaims, 'jti' | 'exp'>,
): Promise<void> {
  await db('revoked_tokens')
    .insert({ jti: claims.jti, expires_at: new Date(claims.exp * 1000) })
    .onConflict('jti')
    .ignore();
}
