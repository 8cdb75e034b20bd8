// Registering, changing and removing a resource server, each with its event.
import type { z } from 'zod';
import { AppError } from '../../lib/errors.ts';
import {
  createResourceServer,
  deleteResourceServer,
  type NewResourceServer,
  type ResourceServer,
  type resourceServerChange,
  updateResourceServer,
} from '../clients/resource_servers.ts';
import type { Db } from '../store/db.ts';
import { type Initiator, recordEventOf } from './initiator.ts';

/** Registers a resource server and records the event; refuses with `resource_server_exists`. */
export async function addResourceServer(
  db: Db,
  initiator: Initiator,
  input: NewResourceServer,
): Promise<ResourceServer> {
  return await db.transaction(async (tx) => {
    const created = await createResourceServer(tx, input);
    const detail = { identifier: created.identifier };
    await recordEventOf(tx, initiator, { type: 'resource_server_created', detail });
    return created;
  });
}

/** Changes a resource server and records the event; refuses with `resource_server_not_found`. */
export async function changeResourceServer(
  db: Db,
  initiator: Initiator,
  identifier: string,
  change: z.input<typeof resourceServerChange>,
): Promise<ResourceServer> {
  return await db.transaction(async (tx) => {
    const updated = await updateResourceServer(tx, identifier, change);
    if (!updated) throw new AppError('resource_server_not_found');
    const detail = { identifier, changed: Object.keys(change) };
    await recordEventOf(tx, initiator, { type: 'resource_server_updated', detail });
    return updated;
  });
}

/** Removes a resource server and records the event: no new tokens are issued for it, existing ones stay active until they expire. */
export async function removeResourceServer(db: Db, initiator: Initiator, identifier: string): Promise<void> {
  await db.transaction(async (tx) => {
    if (!(await deleteResourceServer(tx, identifier))) throw new AppError('resource_server_not_found');
    await recordEventOf(tx, initiator, { type: 'resource_server_deleted', detail: { identifier } });
  });
}
