// The live check of access tokens, in one SELECT: the session is live, the user is active, `token_version` is current, the
// client is the same with the same rights, and the `jti` is not revoked.
import { parseId } from '../../lib/ids.ts';
import { isLiveSql } from '../sessions/live_session.ts';
import { type Db, rows } from '../store/db.ts';
import { statement } from '../store/statements.ts';
import { isActiveSql } from '../users/active_users.ts';
import type { AccessTokenClaims } from './access_tokens.ts';

/** Whether a token is still active; its signature or record has been verified already. */
export async function isLive(db: Db, claims: AccessTokenClaims): Promise<boolean> {
  return claims.sid === undefined
    ? await isClientTokenLive(db, claims)
    : await isSessionTokenLive(db, claims);
}

async function isSessionTokenLive(db: Db, claims: AccessTokenClaims): Promise<boolean> {
  const sid = parseId(claims.sid);
  if (!sid) return false;
  return (await findSessionToken(db, { ...liveTokenValues(claims), sid })).length > 0;
}

// SQL that is true for a client (alias `c`) that has lost no right since it got its token, and is not blocked or removed.
const isSameClientSql =
  'c.token_version between :client_from and :client_to and c.blocked_at is null and c.deleted_at is null';

/** SQL that finds one row when the token of {@link liveTokenValues} and the session `:sid` are live. */
export function liveSessionTokenSql(db: Db): string {
  return `select 1 from sessions s join users u on u.id = s.user_id
    where s.id = :sid and s.client_id = :client_id and ${isLiveSql(db, 's.', 'u.')}
      and ${isActiveSql('u.')} and u.token_version <= :token_version
      and not exists (select 1 from revoked_tokens r where r.jti = :jti)
      and exists (select 1 from clients c where c.client_id = s.client_id and ${isSameClientSql})`;
}

const findSessionToken = statement({ name: 'session_token_lives', commit: 'local' }, liveSessionTokenSql);

/** The values for {@link liveSessionTokenSql}, except `:sid`, which the caller parses first. */
export function liveTokenValues({ client_id, token_version, client_version, jti, iat }: AccessTokenClaims) {
  // A token without `client_version` was issued by an earlier version of this server. It is judged by the second in which it was
  // issued, inclusive, because during an upgrade a client may be created and get such a token in the same second.
  const client_from = client_version ?? 0;
  const client_to = client_version ?? Math.floor(iat) * 1000 + 999;
  return { client_id, token_version: token_version ?? 0, jti, client_from, client_to };
}

// Seconds by which the clocks of a node and of the database may differ.
const skew = 60;

// A token of client_credentials is active as long as its client. A client created later under the same id is a different one.
async function isClientTokenLive(db: Db, claims: AccessTokenClaims): Promise<boolean> {
  const live = await rows(
    db,
    `select 1 from clients c where c.client_id = :client_id and c.created_at <= :issued and ${isSameClientSql}
       and not exists (select 1 from revoked_tokens r where r.jti = :jti)`,
    { ...liveTokenValues(claims), issued: new Date((claims.iat + skew) * 1000) },
  );
  return live.length > 0;
}
