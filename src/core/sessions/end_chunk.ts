// One chunk of an ending: at most `chunkSize` sessions end in one transaction, together with their dependent rows.
import type { Knex } from 'knex';
import { deleteBrowserSessionsBelowEpoch } from '../engine_records/browser_session_records.ts';
import { isPostgres, rows } from '../store/db.ts';
import { plusSeconds } from '../store/sql_time.ts';
import { forgetSomePersonalData } from '../users/personal_data.ts';
import { type EndCause, endLiveSessions } from './end_sessions.ts';
import type { SessionSet } from './pending_endings.ts';
import { deleteRotations } from './session_rotations.ts';

/** The most sessions, records or devices that one transaction changes. */
export const chunkSize = 500;

/** Ends one chunk. `isDone` is true when no kind of row filled its chunk, so nothing is left. */
export async function endChunk(
  tx: Knex.Transaction,
  which: SessionSet,
  cause: EndCause,
): Promise<{ ended: number; isDone: boolean }> {
  if (which.kind === 'client' && !(await isBeingRemoved(tx, which.client_id)))
    return { ended: 0, isDone: true };
  const unended = await listUnended(tx, which);
  // Locks users before sessions, as every transaction does, and in one order.
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

// Another process may have removed the client already, and an administrator may have created a new client with the same id
// since, whose sessions must not end. FOR NO KEY UPDATE does not block the opening of sessions, which waits for the client's row
// while it holds the lock on the user's.
async function isBeingRemoved(tx: Knex.Transaction, client_id: string): Promise<boolean> {
  const found = await rows(
    tx,
    `select 1 from clients where client_id = :client_id and deleted_at is not null ${isPostgres(tx) ? 'for no key update' : ''}`,
    { client_id },
  );
  return found.length > 0;
}

// Sessions that have not ended; some of them may have expired.
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

// Sessions that expired before this ending: they were over already, so the ending is not their cause. Their rows are closed so
// that the next chunk does not read them again.
async function closeExpired(tx: Knex.Transaction, ids: string[]): Promise<void> {
  const first = isPostgres(tx) ? 'least' : 'min';
  const expired = tx.raw(`${first}(absolute_expires_at, ${plusSeconds(tx, 'last_used_at', 'idle_ttl')})`);
  await tx('sessions')
    .whereIn('id', ids)
    .whereNull('ended_at')
    .update({ ended_at: expired, ended_reason: 'expired', ended_by: 'system' });
}

// Ends or removes the rows beside the sessions; true when none is left.
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

// Clears the device of its ended sessions in chunks first, because the foreign key would clear all of them in one statement.
async function removeEmptyDevice(tx: Knex.Transaction, device_id: string): Promise<boolean> {
  const page = tx('sessions').where({ device_id }).whereNotNull('ended_at').limit(chunkSize).select('id');
  if ((await tx('sessions').whereIn('id', page).update({ device_id: null })) === chunkSize) return false;
  const left = await tx('sessions').where({ device_id }).first('id');
  if (!left) await tx('devices').where({ id: device_id }).delete();
  return !left;
}

async function removeEmptyClient(tx: Knex.Transaction, client_id: string): Promise<boolean> {
  const ended = await tx('sessions')
    .where({ client_id })
    .whereNotNull('ended_at')
    .limit(chunkSize)
    .pluck<string[]>('id');
  const messages = tx('outbox').where({ client_id }).limit(chunkSize).select('id');
  const users = tx('consents').where({ client_id }).limit(chunkSize).select('user_id');
  await deleteRotations(tx, ended);
  const removed = [
    await tx('sessions').whereIn('id', ended).delete(),
    await tx('outbox').whereIn('id', messages).delete(),
    await tx('consents').where({ client_id }).whereIn('user_id', users).delete(),
  ];
  if (removed.some((count) => count === chunkSize)) return false;
  const left = await tx('sessions').where({ client_id }).first('id');
  if (!left) await tx('clients').where({ client_id }).delete();
  return !left;
}
