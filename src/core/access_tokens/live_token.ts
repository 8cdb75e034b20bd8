// The live check of access tokens, the same for JWTs and opaque tokens and always one SELECT: the session is live, the user is
// active, `token_version` is current, the client is the same with the same rights, and the `jti` is not revoked.
import { parseId } from '../../lib/ids.ts';
import { isLiveSql } from '../sessions/live_session.ts';
import type { Db } from '../store/db.ts';
import { statement } from '../store/statements.ts';
import { isActiveSql } from '../users/active_users.ts';
import type { AccessTokenClaims } from './access_tokens.ts';

/** What the live check needs of a token, each as SQL: placeholders for a JWT, columns for a stored token. */
export interface TokenSql {
  jti: string;
  client_id: string;
  /** The session; a token of `client_credentials` has none. */
  sid: string;
  /** The user's `token_version` when the token was issued. */
  token_version: string;
  /** The client's `token_version` was between these when the token was issued. */
  client_from: string;
  client_to: string;
  /** The latest time at which the client of this token was created. */
  client_created: string;
}

const ofJwt: TokenSql = {
  jti: ':jti',
  client_id: ':client_id',
  sid: ':sid',
  token_version: ':token_version',
  client_from: ':client_from',
  client_to: ':client_to',
  client_created: ':client_created',
};

/** SQL that finds one row when the token of a session is live; `columns` are those of `sessions s` and `users u` to read. */
export function liveSessionTokenSql(db: Db, token = ofJwt, columns = '1'): string {
  return `select ${columns} from sessions s join users u on u.id = s.user_id
    where s.id = ${token.sid} and s.client_id = ${token.client_id} and ${isLiveSql(db, 's.', 'u.')}
      and ${isActiveSql('u.')} and u.token_version <= ${token.token_version}
      and ${isNotRevokedSql(token)}
      and exists (select 1 from clients c where c.client_id = s.client_id and ${isSameClientSql(token)})`;
}

/**
 * SQL that finds one row when a token of `client_credentials` is live: as long as its client. A client that was created later under
 * the same id is a different one.
 */
export function liveClientTokenSql(token = ofJwt, columns = '1'): string {
  return `select ${columns} from clients c where c.client_id = ${token.client_id} and c.created_at <= ${token.client_created}
      and ${isSameClientSql(token)} and ${isNotRevokedSql(token)}`;
}

// SQL that is true for a client (alias `c`) that has lost no right since it got its token, and is not blocked or removed.
function isSameClientSql({ client_from, client_to }: TokenSql): string {
  return `c.token_version between ${client_from} and ${client_to} and c.blocked_at is null and c.deleted_at is null`;
}

function isNotRevokedSql({ jti }: TokenSql): string {
  return `not exists (select 1 from revoked_tokens r where r.jti = ${jti})`;
}

const findSessionToken = statement({ name: 'session_token_lives', commit: 'local' }, (db) =>
  liveSessionTokenSql(db),
);
const findClientToken = statement({ name: 'client_token_lives', commit: 'local' }, () =>
  liveClientTokenSql(),
);

/** Whether a token is still active; its signature or record has been verified already. */
export async function isLive(db: Db, claims: AccessTokenClaims): Promise<boolean> {
  const values = liveTokenValues(claims);
  if (claims.sid === undefined)
    return (await findClientToken(db, { ...values, ...clientTokenValues(claims) })).length > 0;
  const sid = parseId(claims.sid);
  return sid !== null && (await findSessionToken(db, { ...values, sid })).length > 0;
}

/** The values for {@link liveSessionTokenSql}, except `:sid`, which the caller parses first. */
export function liveTokenValues({ client_id, token_version, client_version, jti, iat }: AccessTokenClaims) {
  // A token without `client_version` was issued by an earlier version of this server. It is judged by the second in which it was
  // issued, inclusive, because during an upgrade a client may be created and get such a token in the same second.
  const client_from = client_version ?? 0;
  const client_to = client_version ?? Math.floor(iat) * 1000 + 999;
  return { client_id, token_version: token_version ?? 0, jti, client_from, client_to };
}

/** Seconds by which the clocks of a node and of the database may differ. */
export const skew = 60;

/** The values for {@link liveClientTokenSql} that {@link liveTokenValues} does not have. */
export function clientTokenValues({ iat }: Pick<AccessTokenClaims, 'iat'>) {
  return { client_created: new Date((iat + skew) * 1000) };
}
