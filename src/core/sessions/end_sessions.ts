// EndCause sessions: the one way in which every session ends, whoever asks. One is ended here; those of a user, device,
// browser, consent or client in core/sessions/end_many.ts, which calls this a chunk at a time.
import type { Knex } from 'knex';
import { parseId } from '../../lib/ids.ts';
import { recordEvents } from '../audit/audit.ts';
import type { Actor, NewEvent } from '../audit/audit_events.ts';
import type { RequestSource } from '../request_source.ts';
import type { Db } from '../store/db.ts';
import { present } from '../store/sql_time.ts';
import { enqueueBackchannelLogouts } from './backchannel_queue.ts';
import { isExpiredSql } from './live_session.ts';
import { clearIdlePushTokens } from './push_tokens.ts';
import type { EndedReason, Session } from './sessions.ts';

/** Why a session ends, by whom, and where the request came from. */
export interface EndCause {
  reason: EndedReason;
  actor: Actor;
  actor_id?: string | null;
  source?: RequestSource;
  /** What to note beside the reason in the audit trail. */
  detail?: Record<string, unknown>;
}

/**
 * Ends one session; false when it had ended or expired before. The event, the notice to the client and the end of pushes
 * to a device without any other live session are written in the same transaction.
 */
export async function endSession(db: Db, id: string, ending: EndCause, at?: Date): Promise<boolean> {
  if (!db.isTransaction) return await db.transaction((tx) => endSession(tx, id, ending, at));
  return (await endLiveSessions(db as Knex.Transaction, (query) => query.where({ id }), ending, at)) > 0;
}

/**
 * Ends the live sessions that `choose` narrows the query to, and returns how many. All of them in one statement: the
 * caller bounds their number. A session that has expired is over already, and nobody ended it.
 */
export async function endLiveSessions(
  tx: Knex.Transaction,
  choose: (query: Knex.QueryBuilder) => void,
  ending: EndCause,
  at?: Date,
): Promise<number> {
  const now = present(tx, at);
  const query = tx('sessions')
    .whereNull('ended_at')
    .whereRaw(`not ${isExpiredSql(tx)}`, { now });
  choose(query);
  const ended: Session[] = await query
    .update({
      ended_at: now,
      ended_reason: ending.reason,
      ended_by: ending.actor,
      ended_by_id: parseId(ending.actor_id),
    })
    .returning(['id', 'user_id', 'client_id', 'device_id']);
  if (ended.length === 0) return 0;
  await clearIdlePushTokens(
    tx,
    ended.map((session) => session.device_id),
    at,
  );
  await recordEvents(
    tx,
    ended.map((session) => endedEvent(session, ending)),
    at,
  );
  await enqueueBackchannelLogouts(tx, ended);
  return ended.length;
}

function endedEvent(session: Session, ending: EndCause): NewEvent {
  return {
    type: 'session_ended',
    user_id: session.user_id,
    session_id: session.id,
    client_id: session.client_id,
    actor: ending.actor,
    actor_id: ending.actor_id ?? null,
    reason: ending.reason,
    detail: ending.detail ?? null,
    ...ending.source,
  };
}
