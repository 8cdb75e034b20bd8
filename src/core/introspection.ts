// What an introspection is decided on: who asks, and whether the token that they ask about still lives. One SELECT.
import { parseId } from '../lib/ids.ts';
import { type AccessTokenClaims, liveSessionTokenSql, valuesOf } from './access_tokens.ts';
import { isKnownSql, type KnownClient } from './client_cache.ts';
import type { Db } from './db.ts';
import { statement } from './statements.ts';

const read = statement<{ is_known: boolean; is_live: boolean }>(
  'introspection',
  (db) => `
  select exists (select 1 from clients c where ${isKnownSql(db).replace(':client_id', ':caller')}) as is_known,
    exists (${liveSessionTokenSql(db)}) as is_live`,
);

/**
 * Whether the token of a session, whose claims these are, still lives; `is_known` is false when the client that asks is
 * not any more what it was remembered as. Null for a token without a session.
 */
export async function findIntrospection(
  db: Db,
  caller: KnownClient,
  claims: AccessTokenClaims,
): Promise<{ is_known: boolean; is_live: boolean } | null> {
  const sid = parseId(claims.sid);
  if (!sid) return null;
  const { client_id, version } = caller;
  const [found] = await read(db, { ...valuesOf(claims), sid, caller: client_id, version });
  return found ?? null;
}
