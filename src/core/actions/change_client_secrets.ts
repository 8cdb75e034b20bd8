// Adding and removing the secrets of a client, each with its event.
import { addClientSecret, removeClientSecret } from '../clients/client_secrets.ts';
import type { Db } from '../store/db.ts';
import { type Initiator, recordEventOf, requireClientAuthority } from './initiator.ts';

/** Adds a secret beside the live one and records the event. Only this answer contains the secret. */
export async function addSecret(
  db: Db,
  initiator: Initiator,
  client_id: string,
  options: Parameters<typeof addClientSecret>[2] = {},
): Promise<Awaited<ReturnType<typeof addClientSecret>>> {
  return await db.transaction(async (tx) => {
    await requireClientAuthority(tx, initiator, client_id);
    const added = await addClientSecret(tx, client_id, options);
    const detail = { secret_id: added.id };
    await recordEventOf(tx, initiator, { type: 'client_secret_added', client_id, detail });
    return added;
  });
}

/** Removes a secret, which stops working at once, and records the event. */
export async function removeSecret(
  db: Db,
  initiator: Initiator,
  client_id: string,
  secret_id: string,
): Promise<void> {
  await db.transaction(async (tx) => {
    await requireClientAuthority(tx, initiator, client_id);
    await removeClientSecret(tx, client_id, secret_id);
    await recordEventOf(tx, initiator, { type: 'client_secret_removed', client_id, detail: { secret_id } });
  });
}
