// Decides an introspection (RFC 7662): whether the caller may learn about the token, and, by one SELECT, whether the token's
// session is live.
import { parseId } from '../../lib/ids.ts';
import { isCurrentVersionSql } from '../clients/client_cache.ts';
import type { Client } from '../clients/clients.ts';
import type { Columns } from '../store/columns.ts';
import type { Db } from '../store/db.ts';
import { statement } from '../store/statements.ts';
import type { AccessTokenClaims } from './access_tokens.ts';
import { liveSessionTokenSql, liveTokenValues } from './live_token.ts';

/** The row of the SELECT of an introspection. */
interface Introspected {
  is_current_version: boolean;
  is_live: boolean;
}

const introspectedColumns = {
  is_current_version: 'boolean',
  is_live: 'boolean',
} as const satisfies Columns<Introspected>;

const read = statement<Introspected>(
  { name: 'introspection', commit: 'local' },
  (db) =>
    `select ${isCurrentVersionSql} as is_current_version, exists (${liveSessionTokenSql(db)}) as is_live`,
  introspectedColumns,
);

/**
 * Whether the token with these claims is active; null for a token without a session. `is_current_version` is false when the
 * calling client may have changed since this version of the client cache.
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

/** Whether a client may introspect a token: one for the resource server that it represents, or one of its own. */
export function isMeantFor(
  { client_id, resource_server }: Pick<Client, 'client_id' | 'resource_server'>,
  claims: Pick<AccessTokenClaims, 'client_id' | 'aud'>,
): boolean {
  if (claims.client_id === client_id) return true;
  return resource_server === '*' || (resource_server !== null && resource_server === claims.aud);
}

/** The response for an active token (RFC 7662, 2.2). */
export function describeClaims({ client_version: _ours, ...claims }: AccessTokenClaims): object {
  return { active: true, ...claims, token_type: claims.cnf?.jkt ? 'DPoP' : 'Bearer' };
}
