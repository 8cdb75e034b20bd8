// What an introspection (RFC 7662) is decided on: whether the caller may learn about the token, and whether the token's
// session still lives, which is one SELECT.
import { parseId } from '../../lib/ids.ts';
import { isCurrentVersionSql } from '../clients/client_cache.ts';
import type { Client } from '../clients/clients.ts';
import type { Columns } from '../store/columns.ts';
import type { Db } from '../store/db.ts';
import { statement } from '../store/statements.ts';
import type { AccessTokenClaims } from './access_tokens.ts';
import { liveSessionTokenSql, liveTokenValues } from './live_token.ts';

/** What one SELECT tells an introspection. */
interface Introspected {
  is_current_version: boolean;
  is_live: boolean;
}

const introspectedColumns = {
  is_current_version: 'boolean',
  is_live: 'boolean',
} as const satisfies Columns<Introspected>;

const read = statement<Introspected>(
  'introspection',
  (db) =>
    `select ${isCurrentVersionSql} as is_current_version, exists (${liveSessionTokenSql(db)}) as is_live`,
  introspectedColumns,
);

/**
 * Whether the token of a session, whose claims these are, still lives; `is_current_version` is false when the client that asks may
 * not be any more what it was at this version of the client cache. Null for a token without a session.
 */
export async function findIntrospection(
  db: Db,
  version: number,
  claims: AccessTokenClaims,
): Promise<Introspected | null> {
  const sid = parseId(claims.sid);
  const [found] = sid ? await read(db, { ...liveTokenValues(claims), sid, version }) : [];
  return found ?? null;
}

/** Whether a caller may learn about a token: one meant for the resource server that it stands for, or one of its own. */
export function isMeantFor(
  { client_id, resource_server }: Pick<Client, 'client_id' | 'resource_server'>,
  claims: Pick<AccessTokenClaims, 'client_id' | 'aud'>,
): boolean {
  if (claims.client_id === client_id) return true;
  return resource_server === '*' || (resource_server !== null && resource_server === claims.aud);
}

/** The answer for an active token (RFC 7662, 2.2). */
export function describeClaims({ client_version: _ours, ...claims }: AccessTokenClaims): object {
  return { active: true, ...claims, token_type: claims.cnf?.jkt ? 'DPoP' : 'Bearer' };
}
