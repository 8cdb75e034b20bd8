// Removing a client: from the commit of the decision on there is no such client; its sessions end and go in chunks.
import type { Knex } from 'knex';
import { type Actor, type Origin, recordEvents } from './audit.ts';
import { present } from './db.ts';
import { beginEnding, endRest } from './end_many.ts';
import { deleteRegistrationTokens } from './oidc_models.ts';

/**
 * Removes a client and, with it, its sessions, each with an event; null when there is none, else how many sessions ended.
 * Its tokens are inactive at once.
 */
export async function deleteClient(
  db: Knex,
  client_id: string,
  by: { actor: Actor; actor_id?: string | null; origin?: Origin },
): Promise<number | null> {
  const begun = await db.transaction(async (tx) => {
    const found = await tx('clients')
      .where({ client_id })
      .whereNull('deleted_at')
      .update({ deleted_at: present(tx) });
    if (found === 0) return null;
    await deleteRegistrationTokens(tx, [client_id]);
    const { origin, ...who } = by;
    await recordEvents(tx, [{ type: 'client_deleted', client_id, ...who, ...origin }]);
    return await beginEnding(tx, { kind: 'client', client_id }, { ...by, reason: 'client_deleted' });
  });
  return begun && (await endRest(db, begun));
}
