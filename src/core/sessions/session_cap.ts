// The cap on live sessions: a client with `max_sessions` has at most that many of one user. A new one is never refused; the session
// unused for longest ends in the same transaction. Sessions whose code is not exchanged yet do not count.
import type { Knex } from 'knex';
import type { RequestSource } from '../request_source.ts';
import { type Db, rows } from '../store/db.ts';
import { present } from '../store/sql_time.ts';
import { lockUser } from '../users/users.ts';
import { endLiveSessions } from './end_sessions.ts';
import { isLiveSql } from './live_session.ts';

/** A session that has just begun, under a cap. */
export interface Capped {
  id: string;
  user_id: string;
  client_id: string;
  max_sessions: number;
  source: RequestSource;
}

/** The most sessions that one transaction evicts; there are more only when a cap is new or was lowered. */
const batch = 500;

// The new session stays. Before any other, those end that it renews without a new login: the same sign-in in the same browser does not
// count twice, so that a browser which renews silently does not push out the user's other devices.
const beyondSql = `
  select s.id from sessions s join users u on u.id = s.user_id join sessions n on n.id = :id
  where s.user_id = :user_id and s.client_id = :client_id and s.token_payload->>'gty' is not null
    and LIVE
  order by s.id <> n.id,
    coalesce(s.browser_session = n.browser_session and s.generation = 0 and s.token_payload->>'gty' = 'authorization_code'
      and n.token_payload->>'gty' = 'authorization_code' and s.token_payload->>'authTime' = n.token_payload->>'authTime', false),
    s.last_used_at desc, s.id desc
  limit ${batch} offset :max_sessions`;

/**
 * Ends sessions beyond the cap, at most {@link batch} of them; true when there may be more. The caller's transaction has locked the
 * user's row, so that of logins at the same moment each sees those before it.
 */
export async function evictBeyondCap(
  tx: Knex.Transaction,
  { id, user_id, client_id, max_sessions, source }: Capped,
  at?: Date,
): Promise<boolean> {
  const beyond = await rows<{ id: string }>(tx, beyondSql.replace('LIVE', isLiveSql(tx, 's.', 'u.')), {
    ...{ id, user_id, client_id, max_sessions },
    now: present(tx, at),
  });
  const ids = beyond.map((one) => one.id);
  await endLiveSessions(tx, ids, { reason: 'cap_evicted', actor: 'system', actor_id: null, source }, at);
  return ids.length === batch;
}

/** Ends the rest in transactions of their own, when {@link evictBeyondCap} has left sessions beyond a cap that is new. */
export async function finishEvicting(db: Db, capped: Capped): Promise<void> {
  for (let hasMore = true; hasMore; )
    hasMore = await db.transaction(async (tx) => {
      await lockUser(tx, capped.user_id);
      return await evictBeyondCap(tx, capped);
    });
}
