// Removing a client: it stops existing with the commit of the first transaction; its sessions end and are deleted in chunks.
import type { Knex } from 'knex';
import { AppError } from '../../lib/errors.ts';
import { deleteRegistrationTokens } from '../engine_records/engine_records.ts';
import { beginEnding } from '../sessions/end_many.ts';
import { isLiveSql } from '../sessions/live_session.ts';
import { finishEnding } from '../sessions/pending_endings.ts';
import { type Db, rows } from '../store/db.ts';
import { present } from '../store/sql_time.ts';
import { type Initiator, recordEventOf, requireClientAuthority } from './initiator.ts';

/** Removes a client with its sessions and tokens; refuses with `client_not_found` and `right_missing`. */
export async function removeClient(db: Knex, initiator: Initiator, client_id: string): Promise<void> {
  if ((await deleteClient(db, client_id, initiator)) === null) throw new AppError('client_not_found');
}

/**
 * Removes a client and, with it, its sessions, each with an event; null when there is no such client, else how many
 * sessions ended. Its tokens are inactive at once.
 */
export async function deleteClient(
  db: Knex,
  client_id: string,
  initiator: Initiator,
): Promise<number | null> {
  const begun = await db.transaction(async (tx) => {
    await requireClientAuthority(tx, initiator, client_id);
    const found = await tx('clients')
      .where({ client_id })
      .whereNull('deleted_at')
      .update({ deleted_at: present(tx) });
    if (found === 0) return null;
    await deleteRegistrationTokens(tx, [client_id]);
    await recordEventOf(tx, initiator, { type: 'client_deleted', client_id });
    return await beginEnding(tx, { kind: 'client', client_id }, { ...initiator, reason: 'client_deleted' });
  });
  return begun && (await finishEnding(db, begun));
}

/** How many live sessions and consents would end with a client. */
export async function countWhatEnds(
  db: Db,
  client_id: string,
): Promise<{ sessions: number; consents: number }> {
  const [found] = await rows<{ sessions: number; consents: number }>(
    db,
    `select
       (select count(*) from sessions s join users u on u.id = s.user_id
         where s.client_id = :client_id and ${isLiveSql(db, 's.', 'u.')}) as sessions,
       (select count(*) from consents where client_id = :client_id) as consents`,
    { client_id, now: present(db) },
  );
  return found ?? { sessions: 0, consents: 0 };
}
