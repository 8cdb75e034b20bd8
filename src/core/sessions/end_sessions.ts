// Every session ends here, whatever the cause, but for those that one statement ends (revoke_session.ts, silent_renewal.ts). The transaction that ends the row also records the event with its actor, queues
// the notice to the client, and removes push tokens. end_many.ts ends many sessions, in chunks.
import type { Knex } from 'knex';
import { parseId } from '../../lib/ids.ts';
import { recordEvents } from '../audit/audit.ts';
import type { Actor, NewEvent } from '../audit/audit_events.ts';
import type { RequestSource } from '../request_source.ts';
import type { Db } from '../store/db.ts';
import { present } from '../store/sql_time.ts';
import { enqueueBackchannelLogouts, wantsNoticeSql } from './backchannel_queue.ts';
import { isExpiredSql } from './live_session.ts';
import { leaveDevices } from './push_tokens.ts';
import type { EndedReason, Session } from './sessions.ts';

/** Why a session ends, the actor who ends it, and the source of the request. */
export interface EndCause {
  reason: EndedReason;
  actor: Actor;
  actor_id?: string | null;
  source?: RequestSource;
  /** Recorded beside the reason in the audit trail. */
  detail?: Record<string, unknown>;
}

/**
 * Ends one session; false when it had ended or expired before. The same transaction records the event, queues the notice to the
 * client, and removes the push token of a device that has no other live session.
 */
export async function endSession(db: Db, id: string, cause: EndCause, at?: Date): Promise<boolean> {
  if (!db.isTransaction) return await db.transaction((tx) => endSession(tx, id, cause, at));
  return (await endLiveSessions(db as Knex.Transaction, [id], cause, at)) > 0;
}

/**
 * Ends the live ones of these sessions, and returns how many ended. One statement ends them all, so the caller bounds their
 * number. A session that has expired is over already and stays as it is.
 */
export async function endLiveSessions(
  tx: Knex.Transaction,
  ids: string[],
  cause: EndCause,
  at?: Date,
): Promise<number> {
  if (ids.length === 0) return 0;
  const now = present(tx, at);
  const ended = await tx('sessions')
    .whereIn('id', ids)
    .whereNull('ended_at')
    .whereRaw(`not ${isExpiredSql(tx)}`, { now })
    .update({
      ended_at: now,
      ended_reason: cause.reason,
      ended_by: cause.actor,
      ended_by_id: parseId(cause.actor_id),
    })
    .returning<EndedSession[]>(
      tx.raw(`id, user_id, client_id, device_id, ${wantsNoticeSql('sessions.')} as wants_notice`),
    );
  if (ended.length === 0) return 0;
  await leaveDevices(tx, ended, at);
  await recordEvents(
    tx,
    ended.map((session) => endedEvent(session, cause)),
    at,
  );
  await enqueueBackchannelLogouts(
    tx,
    ended.filter((session) => session.wants_notice),
  );
  return ended.length;
}

type EndedSession = Pick<Session, 'id' | 'user_id' | 'client_id' | 'device_id'> & {
  /** A number on SQLite. */
  wants_notice: boolean | number;
};

/** The event of a session that has ended. */
export function endedEvent(
  session: Pick<Session, 'id' | 'user_id' | 'client_id'>,
  cause: EndCause,
): NewEvent {
  return {
    type: 'session_ended',
    user_id: session.user_id,
    session_id: session.id,
    client_id: session.client_id,
    actor: cause.actor,
    actor_id: cause.actor_id ?? null,
    reason: cause.reason,
    detail: cause.detail ?? null,
    ...cause.source,
  };
}
