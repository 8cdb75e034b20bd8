// What an introspection is decided on: who asks, and whether the token that they ask about still lives. One SELECT.
import { parseId } from '../../lib/ids.ts';
import { isCurrentVersionSql } from '../clients/client_cache.ts';
import type { Db } from '../store/db.ts';
import { statement } from '../store/statements.ts';
import { type AccessTokenClaims, liveSessionTokenSql, valuesOf } from './access_tokens.ts';

const read = statement<{ is_current_version: boolean; is_live: boolean }>(
  'introspection',
  (db) =>
    `select ${isCurrentVersionSql} as is_current_version, exists (${liveSessionTokenSql(db)}) as is_live`,
);

/**
 * Whether the token of a session, whose claims these are, still lives; `is_current_version` is false when the client that asks may
 * not be any more what it was at this version of the client cache. Null for a token without a session.
 */
export async function findIntrospection(
  db: Db,
  version: number,
  claims: AccessTokenClaims,
): Promise<{ is_current_version: boolean; is_live: boolean } | null> {
  const sid = parseId(claims.sid);
  const [found] = sid ? await read(db, { ...valuesOf(claims), sid, version }) : [];
  return found ?? null;
}
