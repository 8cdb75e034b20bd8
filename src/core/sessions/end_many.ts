// Ending many sessions: those of a user, a device, a browser, a consent or a client, however many there are. What decides
// is written in the caller's transaction together with the first chunk; the other chunks follow in transactions of their
// own, and what a crash leaves undone is in `pending_endings`, for the sweep.
import type { Knex } from 'knex';
import { newId } from '../../lib/ids.ts';
import { deleteBrowserSessionsBelow } from '../engine_records/engine_records.ts';
import { json } from '../store/columns.ts';
import { isPostgres, rows } from '../store/db.ts';
import { plusSeconds, present } from '../store/sql_time.ts';
import { forgetSomePersonalData } from '../users/personal_data.ts';
import { lockUser, raiseSessionEpoch } from '../users/users.ts';
import { type Ending, endLive } from './end_sessions.ts';

/** The most sessions, records or devices that one transaction changes. */
export const chunk = 500;

/** Which sessions end. */
export type Scope =
  /**
   * Those of a user whose number is lower than `epoch`, and logins at the pages likewise, but for `kept_browser`.
   * `forgets`: the user is deleted, and what is known of the person goes as well.
   */
  | { kind: 'user'; user_id: string; epoch: number; kept_browser: string | null; forgets: boolean }
  /** Those of a user through a client, opened until then. */
  | { kind: 'consent'; user_id: string; client_id: string; opened_until: string }
  /** Those on a device, which is removed with the last of them. */
  | { kind: 'device'; user_id: string; device_id: string }
  | { kind: 'browser'; user_id: string; browser_session: string }
  /** Those of a client, which is removed with the last of them. */
  | { kind: 'client'; client_id: string };

/** What a transaction has begun to end. */
export interface Begun {
  /** How many sessions have ended. */
  ended: number;
  /** What the transaction has left to {@link endRest}; null when nothing. */
  pending: Pending | null;
}

/** A row of `pending_endings`. */
export interface Pending {
  id: string;
  scope: Scope;
  ending: Ending;
}

/**
 * Begins to end the sessions of a scope: the first chunk, in the caller's transaction, which has locked the user's row.
 * After the commit the caller calls {@link endRest} before it answers.
 */
export async function beginEnding(tx: Knex.Transaction, scope: Scope, ending: Ending): Promise<Begun> {
  const { ended, isDone } = await endChunk(tx, scope, ending);
  if (isDone) return { ended, pending: null };
  const pending = { id: newId(), scope, ending };
  await tx('pending_endings').insert({
    id: pending.id,
    user_id: 'user_id' in scope ? scope.user_id : null,
    which: json(scope),
    ending: json(ending),
    created_at: present(tx),
  });
  return { ended, pending };
}

/** What goes on while all else of a user ends. */
export interface Kept {
  session_id?: string | null;
  browser_session?: string | null;
  /** Whether what was opened in the kept browser goes on too. */
  opened_in_browser?: boolean;
}

/**
 * Begins to end all sessions of a user and all logins at the pages, but for what is `kept`. The number that rises here
 * is what ends them: from the commit on, every statement that decides finds those with a lower one over. The caller has
 * locked the user's row. `forgets`: what is known of a deleted user goes as well.
 */
export async function beginEndingAll(
  tx: Knex.Transaction,
  user_id: string,
  ending: Ending,
  { kept = {}, forgets = false }: { kept?: Kept; forgets?: boolean } = {},
): Promise<Begun> {
  const { session_id = null, browser_session = null, opened_in_browser = false } = kept;
  const epoch = await raiseSessionEpoch(tx, user_id);
  if (session_id !== null) await keep(tx, user_id, epoch, { id: session_id });
  if (browser_session !== null) {
    await tx('oidc_models')
      .where({ model: 'Session', user_id, second_id: browser_session })
      .update({ session_epoch: epoch });
    if (opened_in_browser) await keep(tx, user_id, epoch, { browser_session });
  }
  const scope = { kind: 'user', user_id, epoch, kept_browser: browser_session, forgets } as const;
  return await beginEnding(tx, scope, ending);
}

/**
 * Ends all sessions of a user and all logins at the pages, in transactions of its own; returns how many sessions ended.
 */
export async function endAllSessions(
  db: Knex,
  user_id: string,
  ending: Ending,
  kept: Kept = {},
): Promise<number> {
  const begun = await db.transaction(async (tx) => {
    await lockUser(tx, user_id);
    return await beginEndingAll(tx, user_id, ending, { kept });
  });
  return await endRest(db, begun);
}

// Of a browser in which very many sessions were opened, the newest go on.
async function keep(
  tx: Knex.Transaction,
  user_id: string,
  epoch: number,
  which: { id: string } | { browser_session: string },
): Promise<void> {
  const kept = tx('sessions')
    .where({ user_id, session_epoch: epoch - 1, ...which })
    .whereNull('ended_at')
    .orderBy('id', 'desc')
    .limit(chunk)
    .select('id');
  await tx('sessions').whereIn('id', kept).update({ session_epoch: epoch });
}

/** Ends what a committed transaction has left, chunk by chunk, and returns how many sessions have ended in all. */
export async function endRest(db: Knex, { ended, pending }: Begun): Promise<number> {
  if (!pending) return ended;
  const { scope, ending } = pending;
  let all = ended;
  for (let isDone = false; !isDone; ) {
    const step = await db.transaction(async (tx) => {
      if ('user_id' in scope) await lockUser(tx, scope.user_id);
      return await endChunk(tx, scope, ending);
    });
    all += step.ended;
    isDone = step.isDone;
  }
  await db('pending_endings').where({ id: pending.id }).delete();
  return all;
}

/** Seconds after which an ending that is still pending counts as left behind by a process that died. */
const patience = 60;

/**
 * Finishes endings that a crash has left behind, and returns how many sessions they ended. Two processes that finish the
 * same one do no harm: each chunk is decided under the lock on the user's row.
 */
export async function endLeftBehind(db: Knex): Promise<number> {
  const found = await rows<{ id: string; which: Scope; ending: Ending }>(
    db,
    `select id, which, ending from pending_endings where ${plusSeconds(db, 'created_at', ':patience')} <= :now order by id limit 100`,
    { patience, now: present(db) },
  );
  let ended = 0;
  for (const { id, which, ending } of found)
    ended += await endRest(db, { ended: 0, pending: { id, scope: which, ending } });
  return ended;
}

// One transaction's share of an ending. Done when nothing of it filled a chunk.
async function endChunk(
  tx: Knex.Transaction,
  scope: Scope,
  ending: Ending,
): Promise<{ ended: number; isDone: boolean }> {
  if (scope.kind === 'client' && !(await isBeingRemoved(tx, scope.client_id)))
    return { ended: 0, isDone: true };
  const live = await listLive(tx, scope);
  // Users before sessions, as everywhere, and in one order.
  if (scope.kind === 'client' && isPostgres(tx)) {
    const users = [...new Set(live.map((session) => session.user_id))];
    await tx('users').whereIn('id', users).orderBy('id').forUpdate().select('id');
  }
  const ids = live.map((session) => session.id);
  const ended = ids.length > 0 ? await endLive(tx, (query) => query.whereIn('id', ids), ending) : 0;
  if (ended < ids.length) await closeExpired(tx, ids);
  const isRestDone = await endBeside(tx, scope);
  return { ended, isDone: ids.length < chunk && isRestDone };
}

// A process that died, or another one, may have removed the client already, and an administrator may have made one of the same
// id since: that one is not meant. The lock lets sessions be opened, which wait for the client's row with the user's locked.
async function isBeingRemoved(tx: Knex.Transaction, client_id: string): Promise<boolean> {
  const found = await rows(
    tx,
    `select 1 from clients where client_id = :client_id and deleted_at is not null ${isPostgres(tx) ? 'for no key update' : ''}`,
    { client_id },
  );
  return found.length > 0;
}

async function listLive(tx: Knex.Transaction, scope: Scope): Promise<{ id: string; user_id: string }[]> {
  const query = tx('sessions').whereNull('ended_at').limit(chunk).select('id', 'user_id');
  if (scope.kind === 'user') query.where({ user_id: scope.user_id }).where('session_epoch', '<', scope.epoch);
  else if (scope.kind === 'consent')
    query
      .where({ user_id: scope.user_id, client_id: scope.client_id })
      .where('created_at', '<=', new Date(scope.opened_until));
  else {
    const { kind: _kind, ...equal } = { user_id: undefined, ...scope };
    query.where(Object.fromEntries(Object.entries(equal).filter(([, value]) => value !== undefined)));
  }
  return await query;
}

// Sessions that expired before they could be ended: over since then, and nobody's doing. Written down, so that the next
// chunk does not meet them again.
async function closeExpired(tx: Knex.Transaction, ids: string[]): Promise<void> {
  const first = isPostgres(tx) ? 'least' : 'min';
  const expired = tx.raw(`${first}(absolute_expires_at, ${plusSeconds(tx, 'last_used_at', 'idle_ttl')})`);
  await tx('sessions')
    .whereIn('id', ids)
    .whereNull('ended_at')
    .update({ ended_at: expired, ended_reason: 'expired', ended_by: 'system' });
}

// What ends or goes beside the sessions; true when all of it is done.
async function endBeside(tx: Knex.Transaction, scope: Scope): Promise<boolean> {
  if (scope.kind === 'user') {
    const browsers = await deleteBrowserSessionsBelow(tx, scope, chunk);
    const isForgotten = scope.forgets ? await forgetSomePersonalData(tx, scope.user_id) : true;
    return browsers < chunk && isForgotten;
  }
  if (scope.kind === 'device') return await removeEmptyDevice(tx, scope.device_id);
  if (scope.kind === 'client') return await removeEmptyClient(tx, scope.client_id);
  return true;
}

// Its ended sessions are told first that it is no more: the foreign key would tell all of them in one statement.
async function removeEmptyDevice(tx: Knex.Transaction, device_id: string): Promise<boolean> {
  const page = tx('sessions').where({ device_id }).whereNotNull('ended_at').limit(chunk).select('id');
  if ((await tx('sessions').whereIn('id', page).update({ device_id: null })) === chunk) return false;
  const left = await tx('sessions').where({ device_id }).first('id');
  if (!left) await tx('devices').where({ id: device_id }).delete();
  return !left;
}

async function removeEmptyClient(tx: Knex.Transaction, client_id: string): Promise<boolean> {
  const ended = tx('sessions').where({ client_id }).whereNotNull('ended_at').limit(chunk).select('id');
  const notices = tx('logout_notices').where({ client_id }).limit(chunk).select('id');
  const users = tx('consents').where({ client_id }).limit(chunk).select('user_id');
  const removed = [
    await tx('sessions').whereIn('id', ended).delete(),
    await tx('logout_notices').whereIn('id', notices).delete(),
    await tx('consents').where({ client_id }).whereIn('user_id', users).delete(),
  ];
  if (removed.some((count) => count === chunk)) return false;
  const left = await tx('sessions').where({ client_id }).first('id');
  if (!left) await tx('clients').where({ client_id }).delete();
  return !left;
}
