// What an introspection is decided on: who asks, and whether the token that they ask about still lives. One SELECT.
import { parseId } from '../lib/ids.ts';
import { type AccessTokenClaims, liveSessionTokenSql, valuesOf } from './access_tokens.ts';
import type { Client } from './clients.ts';
import { type Db, isText } from './db.ts';
import { statement } from './statements.ts';

/** The client that asks, as far as its question needs it. */
export type Caller = Pick<Client, 'client_id' | 'metadata' | 'secrets' | 'resource_server'>;

const read = statement<Caller & { is_live: boolean }>(
  'introspection',
  (db) => `
  select c.client_id, c.metadata, c.secrets, c.resource_server, exists (${liveSessionTokenSql(db)}) as is_live
  from clients c where c.client_id = :caller`,
);

/**
 * The client that asks, and whether the token of a session whose claims these are still lives; null when there is no
 * such client, or the token has no session.
 */
export async function findIntrospection(
  db: Db,
  caller_id: string,
  claims: AccessTokenClaims,
): Promise<{ caller: Caller; is_live: boolean } | null> {
  const sid = parseId(claims.sid);
  const [row] =
    sid && isText(caller_id) ? await read(db, { ...valuesOf(claims), sid, caller: caller_id }) : [];
  return row ? { caller: row, is_live: row.is_live } : null;
}
