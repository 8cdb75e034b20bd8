// One chunk of an ending: at most `chunkSize` sessions end in one transaction, with what belongs to them.
import type { Knex } from 'knex';
import { deleteBrowserSessionsBelowEpoch } from '../engine_records/browser_session_records.ts';
import { isPostgres, rows } from '../store/db.ts';
import { plusSeconds } from '../store/sql_time.ts';
import { forgetSomePersonalData } from '../users/personal_data.ts';
import { type EndCause, endLiveSessions } from './end_sessions.ts';
import type { SessionSet } from './pending_endings.ts';

/** The most sessions, records or devices that one transaction changes. */
export const chunkSize = 500;

/** Ends one chunk. `isDone` when no kind of row filled its chunk, so that nothing is left. */
export async function endChunk(
  tx: Knex.Transaction,
  which: SessionSet,
  cause: EndCause,
): Promise<{ ended: number; isDone: boolean }> {
  if (which.kind === 'client' && !(await isBeingRemoved(tx, which.client_id)))
    return { ended: 0, isDone: true };
  const unended = await listUnended(tx, which);
  // Users before sessions, as everywhere, and in one order.
  if (which.kind === 'client' && isPostgres(tx)) {
    const users = [...new Set(unended.map((session) => session.user_id))];
    await tx('users').whereIn('id', users).orderBy('id').forUpdate().select('id');
  }
  const ids = unended.map((session) => session.id);
  const ended = await endLiveSessions(tx, ids, cause);
  if (ended < ids.length) await closeExpired(tx, ids);
  const isRestDone = await endBeside(tx, which);
  return { ended, isDone: ids.length < chunkSize && isRestDone };
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

async function listUnended(
  tx: Knex.Transaction,
  which: SessionSet,
): Promise<{ id: string; user_id: string }[]> {
  const query = tx('sessions').whereNull('ended_at').limit(chunkSize).select('id', 'user_id');
  if (which.kind === 'user') query.where({ user_id: which.user_id }).where('session_epoch', '<', which.epoch);
  else if (which.kind === 'consent')
    query
      .where({ user_id: which.user_id, client_id: which.client_id })
      .where('created_at', '<=', new Date(which.opened_until));
  else {
    const { kind: _kind, ...equal } = { user_id: undefined, ...which };
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
async function endBeside(tx: Knex.Transaction, which: SessionSet): Promise<boolean> {
  if (which.kind === 'user') {
    const browsers = await deleteBrowserSessionsBelowEpoch(tx, which, chunkSize);
    const isForgotten = which.forgets ? await forgetSomePersonalData(tx, which.user_id) : true;
    return browsers < chunkSize && isForgotten;
  }
  if (which.kind === 'device') return await removeEmptyDevice(tx, which.device_id);
  if (which.kind === 'client') return await removeEmptyClient(tx, which.client_id);
  return true;
}

// Its ended sessions are told first that it is no more: the foreign key would tell all of them in one statement.
async function removeEmptyDevice(tx: Knex.Transaction, device_id: string): Promise<boolean> {
  const page = tx('sessions').where({ device_id }).whereNotNull('ended_at').limit(chunkSize).select('id');
  if ((await tx('sessions').whereIn('id', page).update({ device_id: null })) === chunkSize) return false;
  const left = await tx('sessions').where({ device_id }).first('id');
  if (!left) await tx('devices').where({ id: device_id }).delete();
  return !left;
}

async function removeEmptyClient(tx: Knex.Transaction, client_id: string): Promise<boolean> {
  const ended = tx('sessions').where({ client_id }).whereNotNull('ended_at').limit(chunkSize).select('id');
  const notices = tx('logout_notices').where({ client_id }).limit(chunkSize).select('id');
  const users = tx('consents').where({ client_id }).limit(chunkSize).select('user_id');
  const removed = [
    await tx('sessions').whereIn('id', ended).delete(),
    await tx('logout_notices').whereIn('id', notices).delete(),
    await tx('consents').where({ client_id }).whereIn('user_id', users).delete(),
  ];
  if (removed.some((count) => count === chunkSize)) return false;
  const left = await tx('sessions').where({ client_id }).first('id');
  if (!left) await tx('clients').where({ client_id }).delete();
  return !left;
}
