// Access tokens that their client revoked before they expired (RFC 7009): of a JWT the `jti` is kept, the record of an opaque token is
// removed. One statement each on Postgres, which also checks the version of the client cache.
import { isCurrentVersion, isCurrentVersionSql } from '../clients/client_cache.ts';
import { type Columns, declareColumns, type Table } from '../store/columns.ts';
import { type Db, isPostgres, rows } from '../store/db.ts';
import { statement } from '../store/statements.ts';
import type { AccessTokenClaims } from './access_tokens.ts';

declare module 'knex/types/tables.js' {
  interface Tables {
    revoked_tokens: Table<{ jti: string; expires_at: Date }>;
  }
}

declareColumns('revoked_tokens', { expires_at: 'time' });

interface Revoked {
  is_current_version: boolean;
}

const revokedColumns = { is_current_version: 'boolean' } as const satisfies Columns<Revoked>;

const insertSql = (expires_at: string) => `
  insert into revoked_tokens (jti, expires_at) select :jti, ${expires_at} where ${isCurrentVersionSql} on conflict (jti) do nothing`;

const revokeAtOnce = statement<Revoked>(
  'revoke_access_token',
  () => `
  with revoked as (${insertSql('cast(:expires_at as timestamptz)')})
  select ${isCurrentVersionSql} as is_current_version`,
  revokedColumns,
);

/**
 * Revokes one JWT. The row stays until the token would have expired. False when nothing was done, because a client may have changed
 * since this version of the client cache.
 */
export async function revokeAccessToken(
  db: Db,
  version: number,
  { jti, exp }: Pick<AccessTokenClaims, 'jti' | 'exp'>,
): Promise<boolean> {
  const values = { jti, expires_at: new Date(exp * 1000), version };
  if (isPostgres(db)) {
    const [done] = await revokeAtOnce(db, values);
    return done?.is_current_version === true;
  }
  await rows(db, insertSql(':expires_at'), values);
  return await isCurrentVersion(db, version);
}
