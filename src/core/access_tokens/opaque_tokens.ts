// Opaque access tokens: the engine stores their claims as records, found by the digest of the token. One SELECT finds the record
// and judges it by the rules of live_token.ts.
import { digest } from '../../lib/crypto.ts';
import { isCurrentVersion, isCurrentVersionSql } from '../clients/client_cache.ts';
import type { Columns } from '../store/columns.ts';
import { type Db, isPostgres, rows } from '../store/db.ts';
import { present } from '../store/sql_time.ts';
import { statement } from '../store/statements.ts';
import type { AccessTokenClaims } from './access_tokens.ts';
import { liveClientTokenSql, liveSessionTokenSql, skew, type TokenSql } from './live_token.ts';

/** The key or certificate to which a token is bound, with the engine's member names. */
export interface Bound {
  jkt?: string;
  'x5t#S256'?: string;
}

/** The engine's record of an opaque access token. */
export interface OpaqueRecord extends Bound {
  clientId: string;
  accountId?: string;
  aud?: string;
  exp: number;
  iat: number;
  scope?: string;
  sid?: string;
  extra?: Partial<AccessTokenClaims>;
}

interface Found {
  is_current_version: boolean;
  /** Null when there is no record. */
  is_live: boolean | null;
  payload: OpaqueRecord | null;
  username: string | null;
  email: string | null;
  email_verified_at: Date | null;
}

const foundColumns = {
  is_current_version: 'boolean',
  is_live: 'boolean',
  payload: 'json',
  email_verified_at: 'time',
} as const satisfies Columns<Found>;

const read = statement<Found>(
  { name: 'opaque_token', commit: 'local' },
  (db) => `
  select ${isCurrentVersionSql} as is_current_version, m.payload, ${isLiveRecordSql(db)} as is_live, owner.username, owner.email, owner.email_verified_at
  from (select 1 as one) as one left join oidc_models m on ${ofTokenSql}
    left join users owner on owner.id = m.user_id`,
  foundColumns,
);

const ofTokenSql = "m.model in ('AccessToken', 'ClientCredentials') and m.id = :id";

// SQL that is true for a record (alias `m`) that has not expired and whose token is live.
function isLiveRecordSql(db: Db): string {
  const isLive = `case when m.session_id is null then exists (${liveClientTokenSql(recordSql(db))})
    else exists (${liveSessionTokenSql(db, recordSql(db))}) end`;
  return `(${isUnexpiredSql(db)} and ${isLive})`;
}

// The record lives a little longer than its token: `exp` is in whole seconds.
function isUnexpiredSql(db: Db): string {
  return `(coalesce(m.expires_at > :now, true) and ${timeSql(db, number("m.payload->>'exp'"))} > :now)`;
}

const number = (value: string) => `cast(${value} as bigint)`;

// SQL that converts seconds since 1970 to a time.
const timeSql = (db: Db, seconds: string) =>
  isPostgres(db) ? `to_timestamp(${seconds})` : `(${seconds}) * 1000`;

// `extra.client_version` may be missing, as in a JWT (live_token.ts).
function recordSql(db: Db): TokenSql {
  const iat = number("m.payload->>'iat'");
  const client_version = number("m.payload->'extra'->>'client_version'");
  return {
    jti: ':jti',
    client_id: "m.payload->>'clientId'",
    sid: 'm.session_id',
    token_version: `coalesce(${number("m.payload->'extra'->>'token_version'")}, 0)`,
    client_from: `coalesce(${client_version}, 0)`,
    client_to: `coalesce(${client_version}, ${iat} * 1000 + 999)`,
    client_created: timeSql(db, `${iat} + ${skew}`),
  };
}

/** The record of an opaque token, null when there is none, it has expired, or it is not live. */
export interface FoundOpaque {
  /** False when a client may have changed since this version of the client cache. */
  is_current_version: boolean;
  record: OpaqueRecord | null;
  /** The names of its user; null for a token of a client. */
  user: Pick<Found, 'username' | 'email' | 'email_verified_at'>;
}

/** Finds an opaque token, whatever string it is, and judges it. One SELECT. */
export async function findOpaque(db: Db, token: string, version = 0): Promise<FoundOpaque> {
  const [found] = await read(db, { ...handleOf(token), version });
  if (!found) throw new Error('a left join gives a row');
  const { is_current_version, is_live, payload, ...user } = found;
  return { is_current_version, record: is_live ? payload : null, user };
}

const deleteAtOnce = statement<Deleted>(
  'delete_opaque_token',
  (db) => `
  with deleted as (
    delete from oidc_models m where ${isRevocableSql(db)} and ${isCurrentVersionSql} returning ${ownerSql}
  )
  select ${isCurrentVersionSql} as is_current_version, deleted.id, deleted.user_id, deleted.session_id
  from (select 1 as one) as one left join deleted on true`,
  { is_current_version: 'boolean' },
);

// A token of `client_credentials` may be revoked even when it is no longer live.
function isRevocableSql(db: Db): string {
  return `${ofTokenSql} and m.payload->>'clientId' = :client_id and ${isUnexpiredSql(db)}
    and (m.session_id is null or exists (${liveSessionTokenSql(db, recordSql(db))}))`;
}

const ownerSql = "id, payload->>'accountId' as user_id, session_id";

/** The user and the session of a token; both null for one of `client_credentials`. */
export interface TokenOwner {
  user_id: string | null;
  session_id: string | null;
}

type Deleted = { is_current_version: boolean } & ((TokenOwner & { id: string }) | { id: null });

/**
 * Removes the record of an opaque token of this client: the token is revoked. `owner` is null when there was none.
 * `is_current_version` is false when nothing was done, because a client may have changed since this version of the client cache.
 */
export async function deleteOpaque(
  db: Db,
  token: string,
  { client_id, version }: { client_id: string; version: number },
): Promise<{ is_current_version: boolean; owner: TokenOwner | null }> {
  const values = { ...handleOf(token), client_id };
  if (!isPostgres(db)) return await deleteInSteps(db, values, version);
  const [deleted] = await deleteAtOnce(db, { ...values, version });
  if (!deleted) throw new Error('a left join gives a row');
  const { is_current_version } = deleted;
  return { is_current_version, owner: deleted.id === null ? null : ownerOf(deleted) };
}

// SQLite returns nothing from a write inside a SELECT.
async function deleteInSteps(
  db: Db,
  values: { id: string; jti: string; client_id: string },
  version: number,
): Promise<{ is_current_version: boolean; owner: TokenOwner | null }> {
  const [deleted] = await rows<TokenOwner>(
    db,
    `delete from oidc_models as m where ${isRevocableSql(db)} and ${isCurrentVersionSql} returning ${ownerSql}`,
    { ...values, version, now: present(db) },
  );
  if (deleted) return { is_current_version: true, owner: ownerOf(deleted) };
  return { is_current_version: await isCurrentVersion(db, version), owner: null };
}

function ownerOf({ user_id, session_id }: TokenOwner): TokenOwner {
  return { user_id, session_id };
}

// `jti` is the token itself. A column cannot hold NUL, and no token contains it.
function handleOf(token: string): { id: string; jti: string } {
  return { id: digest(token), jti: token.replaceAll('\0', '') };
}

/** The claims of an opaque token, as a JWT would carry them. */
export function opaqueClaims(record: OpaqueRecord, iss: string, jti: string): AccessTokenClaims {
  const { clientId, accountId, aud, exp, iat, scope, sid, extra } = record;
  return {
    ...extra,
    ...{ iss, jti, client_id: clientId, sub: accountId ?? clientId, exp, iat },
    ...(aud === undefined ? {} : { aud }),
    ...(scope === undefined ? {} : { scope }),
    ...(sid === undefined ? {} : { sid }),
    ...confirmationOf(record),
  };
}

/** The key or certificate to which a token is bound, as the member `cnf` (RFC 9449, 6.1; RFC 8705, 3.1); else no member. */
export function confirmationOf({ jkt, 'x5t#S256': x5t }: Bound): { cnf?: Bound } {
  if (!jkt && !x5t) return {};
  return { cnf: { ...(x5t ? { 'x5t#S256': x5t } : {}), ...(jkt ? { jkt } : {}) } };
}
