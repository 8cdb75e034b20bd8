// Decides an introspection (RFC 7662) of an access token: whether the caller may learn about it, whether it is active, and what
// the answer says. One SELECT decides, which also checks the version of the client cache.
import { parseId } from '../../lib/ids.ts';
import { isCurrentVersion, isCurrentVersionSql } from '../clients/client_cache.ts';
import type { Client } from '../clients/clients.ts';
import type { IntrospectedSession } from '../sessions/introspected_session.ts';
import { expiresAt } from '../sessions/live_session.ts';
import type { Columns } from '../store/columns.ts';
import type { Db } from '../store/db.ts';
import { statement } from '../store/statements.ts';
import type { User } from '../users/users.ts';
import type { AccessTokenClaims } from './access_tokens.ts';
import { emailClaims } from './account_claims.ts';
import { clientTokenValues, liveClientTokenSql, liveSessionTokenSql, liveTokenValues } from './live_token.ts';
import { type Bound, confirmationOf, type OpaqueRecord } from './opaque_tokens.ts';

/** What the SELECT found. */
interface Introspected extends NamedUser {
  /** False when the calling client may have changed since this version of the client cache. */
  is_current_version: boolean;
  is_live: boolean;
}

/** The names of the user of a token; null where it has none, or no user. */
export type NamedUser = Pick<User, 'username' | 'email' | 'email_verified_at'>;

const introspectedColumns = {
  is_current_version: 'boolean',
  is_live: 'boolean',
  email_verified_at: 'time',
} as const satisfies Columns<Introspected>;

const introspectSql = (findSql: string) =>
  `select ${isCurrentVersionSql} as is_current_version, found.is_live is not null as is_live, found.username, found.email, found.email_verified_at
   from (select 1 as one) as one left join (${findSql}) as found on true`;

const readSessionToken = statement<Introspected>(
  { name: 'introspection', commit: 'local' },
  (db) =>
    introspectSql(
      liveSessionTokenSql(db, undefined, '1 as is_live, u.username, u.email, u.email_verified_at'),
    ),
  introspectedColumns,
);

const readClientToken = statement<Introspected>(
  { name: 'client_introspection', commit: 'local' },
  () =>
    introspectSql(
      liveClientTokenSql(
        undefined,
        '1 as is_live, null as username, null as email, null as email_verified_at',
      ),
    ),
  introspectedColumns,
);

/** Whether the JWT with these claims, whose signature has been verified, is active. Null claims are those of no token of ours. */
export async function findIntrospection(
  db: Db,
  version: number,
  claims: AccessTokenClaims | null,
): Promise<Introspected> {
  const [found] = claims ? await readFor(db, version, claims) : [];
  const none = { is_live: false, username: null, email: null, email_verified_at: null };
  return found ?? { is_current_version: await isCurrentVersion(db, version), ...none };
}

async function readFor(db: Db, version: number, claims: AccessTokenClaims): Promise<Introspected[]> {
  const values = { ...liveTokenValues(claims), version };
  if (claims.sid === undefined) return await readClientToken(db, { ...values, ...clientTokenValues(claims) });
  const sid = parseId(claims.sid);
  return sid ? await readSessionToken(db, { ...values, sid }) : [];
}

/** Whether a client may introspect a token: one for the resource server that it represents, or one of its own. */
export function isMeantFor(
  { client_id, resource_server }: Pick<Client, 'client_id' | 'resource_server'>,
  claims: { client_id: string; aud?: string | undefined },
): boolean {
  return claims.client_id === client_id || isApiOf({ resource_server }, claims);
}

function isApiOf(
  { resource_server }: Pick<Client, 'resource_server'>,
  { aud }: { aud?: string | undefined },
): boolean {
  return resource_server === '*' || (resource_server !== null && resource_server === aud);
}

/**
 * The members about the user for the API that the token is meant for (RFC 7662, 2.2), which often knows its users by these names. The
 * client that the token was issued to gets none: it learns them by the scopes that the user has granted.
 */
export function describeUser(
  client: Pick<Client, 'resource_server'>,
  token: { aud?: string | undefined },
  user: NamedUser,
): object {
  if (!isApiOf(client, token)) return {};
  return { ...(user.username === null ? {} : { username: user.username }), ...emailClaims(user) };
}

/** The response for an active JWT (RFC 7662, 2.2), with these members about its user. */
export function describeClaims(
  { client_version: _version, userinfo_scope: _scope, ...claims }: AccessTokenClaims,
  user: object,
): object {
  return { active: true, ...claims, ...user, token_type: claims.cnf?.jkt ? 'DPoP' : 'Bearer' };
}

/** The response for an active opaque token, with these members about its user. It has no `jti`, which is the token itself. */
export function describeOpaque(record: OpaqueRecord, iss: string, user: object): object {
  const { clientId: client_id, accountId: sub, aud, exp, iat, sid, scope, jkt, extra = {} } = record;
  const { client_version: _version, userinfo_scope: _scope, ...claims } = extra;
  return {
    active: true,
    sub,
    ...claims,
    ...{ client_id, exp, iat, sid, iss, aud },
    ...(scope ? { scope } : {}),
    ...confirmationOf(record),
    ...user,
    token_type: jkt ? 'DPoP' : 'Bearer',
  };
}

/** The response for an active refresh token. */
export function describeRefreshToken(session: IntrospectedSession, iss: string): object {
  const { id: sid, user_id: sub, client_id, token_payload } = session;
  const { scope, ...bound } = token_payload as Bound & { scope?: string };
  const iat = inSeconds(session.rotated_at ?? session.created_at);
  return {
    active: true,
    ...{ sub, client_id, exp: inSeconds(expiresAt(session)), iat, sid, iss },
    ...(scope ? { scope } : {}),
    ...confirmationOf(bound),
    token_type: 'refresh_token',
  };
}

function inSeconds(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}
