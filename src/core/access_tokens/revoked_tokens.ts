import type { Db } from '../store/db.ts';
import type { AccessTokenClaims } from './access_tokens.ts';

/** Makes one access token inactive before its time; kept until it would have expired anyway. */
export async function revokeAccessToken(
  db: Db,
  claims: Pick<AccessTokenClaims, 'jti' | 'exp'>,
): Promise<void> {
  await db('revoked_tokens')
    .insert({ jti: claims.jti, expires_at: new Date(claims.exp * 1000) })
    .onConflict('jti')
    .ignore();
}
