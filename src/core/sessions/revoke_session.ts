// Ends the session of a refresh token that its client revokes (RFC 7009, 2.1). On Postgres one statement does so for a session
// without a device whose client wants no notice; every other one ends as end_sessions.ts ends it, in a transaction.
import type { Knex } from 'knex';
import { parseId } from '../../lib/ids.ts';
import { eventTime, notifyListeners } from '../audit/audit.ts';
import { insertOneEventSql, toEventRow } from '../audit/audit_events.ts';
import { isCurrentVersion, isCurrentVersionSql, type Registered } from '../clients/client_cache.ts';
import type { RequestSource } from '../request_source.ts';
import type { Columns } from '../store/columns.ts';
import { type Db, isPostgres, rows } from '../store/db.ts';
import { present } from '../store/sql_time.ts';
import { statement } from '../store/statements.ts';
import { isActiveSql } from '../users/active_users.ts';
import { wantsNoticeSql } from './backchannel_queue.ts';
import { type EndCause, endedEvent, endSession } from './end_sessions.ts';
import { isLiveSql } from './live_session.ts';
import { type DecodedRefreshToken, proofSql, verifyProof } from './refresh_token.ts';

export interface Revocation {
  /** A token of any generation, whose tag has been verified. */
  token: DecodedRefreshToken;
  /** The authenticated client, from the client cache. */
  known: Registered;
  source: RequestSource;
}

interface Attempt {
  is_current_version: boolean;
  /** The user of the session that the token belongs to, if it was live when the statement began; else null. */
  user_id: string | null;
  has_ended: boolean;
}

const attemptColumns = {
  is_current_version: 'boolean',
  has_ended: 'boolean',
} as const satisfies Columns<Attempt>;

const isOfClientSql = 's.id = :id and s.client_id = :client_id';

// All parts see the rows as they were when the statement began, except the two that it locks: `locked` waits for the user's row and
// then has its newest version, and so has the UPDATE for the session's. But the UPDATE looks only at sessions that its conditions
// accepted in the old state. A change that was committed during the wait may thus leave a live session unended: the password of
// the user was changed, and the session goes on under a new epoch. `endInTransaction` then decides with a fresh view.
const endAtOnce = statement<Attempt>(
  // Alone: it may wait for the lock on the user's row, and no statement of its group may wait with it (docs/decisions/007).
  { name: 'revoke_session', alone: true },
  (db) => `
  with found as (
    select s.user_id, s.device_id from sessions s join users u on u.id = s.user_id
    where ${isOfClientSql} and ${proofSql('s.salt', ':presented')} = :proof
      and ${isLiveSql(db, 's.', 'u.')} and ${isActiveSql('u.')} and ${isCurrentVersionSql}
  ), locked as (
    select u.id, u.session_epoch from users u
    where u.id = (select s.user_id from found s where s.device_id is null) for update
  ), ended as (
    update sessions s set ended_at = :now, ended_reason = :reason, ended_by = :actor, ended_by_id = cast(:ended_by_id as uuid)
    from locked u
    where ${isOfClientSql} and s.user_id = u.id and s.device_id is null and ${isLiveSql(db, 's.', 'u.')}
      and not ${wantsNoticeSql('s.')}
    returning s.user_id
  ), recorded as (
    ${insertOneEventSql('ended.user_id')} from ended
  )
  select ${isCurrentVersionSql} as is_current_version, (select user_id from found) as user_id,
    exists (select 1 from ended) as has_ended`,
  attemptColumns,
);

/**
 * Ends the session of `token`, if it is a live one of this client. False when nothing was decided, because a client may have
 * changed since `known` was read. The session, its event, the push token and the notice change as in {@link endSession}.
 */
export async function revokeSession(db: Knex, { token, known, source }: Revocation): Promise<boolean> {
  const { client_id, metadata } = known.client;
  const cause: EndCause = { reason: 'token_revoked', actor: 'client', actor_id: client_id, source };
  if (isPostgres(db) && metadata.backchannel_logout_uri === undefined) {
    const { is_current_version, user_id, has_ended } = await attempt(db, { token, known, source }, cause);
    if (!is_current_version || user_id === null || has_ended) return is_current_version;
  }
  const decided = await db.transaction((tx) => endInTransaction(tx, { token, known, source }, cause));
  return decided ?? (await isCurrentVersion(db, known.version));
}

async function attempt(db: Db, { token, known, source }: Revocation, cause: EndCause): Promise<Attempt> {
  const { client_id } = known.client;
  const { session_id: id, generation: presented, proof } = token;
  const { reason, actor } = cause;
  const event = endedEvent({ id, user_id: '', client_id }, cause);
  const { id: event_id, created_at: event_at, type: event_type } = toEventRow(event, eventTime(db));
  const [done] = await endAtOnce(db, {
    ...{ id, client_id, presented, proof, version: known.version },
    ...{ reason, actor, actor_id: client_id, ended_by_id: parseId(client_id) },
    ...{ event_id, event_at, event_type, session_id: id, ...source },
  });
  if (!done) throw new Error('a select of values gives a row');
  if (done.has_ended) notifyListeners(db, [{ ...event, user_id: done.user_id }]);
  return done;
}

// The user's row is locked before the session's, as everywhere. Both are read in their newest version, so the answer is about the
// state after any wait. Null when the client has no such session.
async function endInTransaction(
  tx: Knex.Transaction,
  { token, known }: Revocation,
  cause: EndCause,
): Promise<boolean | null> {
  const [session] = await rows<{ salt: Buffer; is_current_version: boolean; is_live: boolean }>(
    tx,
    `select s.salt, ${isCurrentVersionSql} as is_current_version, ${isLiveSql(tx, 's.', 'u.')} and ${isActiveSql('u.')} as is_live
     from users u join sessions s on s.user_id = u.id where ${isOfClientSql} ${isPostgres(tx) ? 'for update of u, s' : ''}`,
    {
      id: token.session_id,
      client_id: known.client.client_id,
      version: known.version,
      now: present(tx),
    },
    { is_current_version: 'boolean', is_live: 'boolean' },
  );
  if (!session) return null;
  if (session.is_current_version && session.is_live && verifyProof(token, session.salt))
    await endSession(tx, token.session_id, cause);
  return session.is_current_version;
}
