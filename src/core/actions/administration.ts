// What administrators do by two doors, the API and the commands: each deed with its event, in one transaction.
import type { Knex } from 'knex';
import type { z } from 'zod';
import { AppError } from '../../lib/errors.ts';
import { recordEvents } from '../audit/audit.ts';
import type { Actor, EventType, NewEvent } from '../audit/audit_events.ts';
import type { ClientChange } from '../clients/client_metadata.ts';
import { addClientSecret, removeClientSecret } from '../clients/client_secrets.ts';
import type { Client } from '../clients/clients.ts';
import {
  createResourceServer,
  deleteResourceServer,
  type NewResourceServer,
  type ResourceServer,
  type resourceServerChange,
  updateResourceServer,
} from '../clients/resource_servers.ts';
import type { RequestSource } from '../request_source.ts';
import type { Db } from '../store/db.ts';
import { createUser, type NewUser } from '../users/user_changes.ts';
import type { User } from '../users/users.ts';
import { deleteClient } from './delete_client.ts';

/** Who does it, and where the request came from; a command has neither an id nor a request. */
export interface Doer {
  actor: Actor;
  actor_id?: string;
  source?: RequestSource;
}

/** Creates a user; refuses with `username_taken` and `email_taken`. */
export async function addUser(db: Db, doer: Doer, input: NewUser): Promise<User> {
  return await db.transaction(async (tx) => {
    const created = await createUser(tx, input);
    await record(tx, doer, { type: 'user_created', user_id: created.id });
    return created;
  });
}

/** What the registrar writes beside a client that it registers. */
export function notesCreation(doer: Doer): (tx: Knex.Transaction, client: Client) => Promise<void> {
  return async (tx, { client_id }) => await record(tx, doer, { type: 'client_created', client_id });
}

/** What the registrar writes beside a client that it changes. */
export function notesChange(
  doer: Doer,
  change: ClientChange,
): (tx: Knex.Transaction, client: Client) => Promise<void> {
  const detail = { changed: Object.keys(change) };
  return async (tx, { client_id }) => await record(tx, doer, { type: 'client_updated', client_id, detail });
}

/** Removes a client with its sessions and tokens; refuses with `client_not_found`. */
export async function removeClient(db: Knex, doer: Doer, client_id: string): Promise<void> {
  if ((await deleteClient(db, client_id, doer)) === null) throw new AppError('client_not_found');
}

/** Adds a secret beside the live one, which is returned here and never again. */
export async function addSecret(
  db: Db,
  doer: Doer,
  client_id: string,
  options: Parameters<typeof addClientSecret>[2] = {},
): Promise<Awaited<ReturnType<typeof addClientSecret>>> {
  return await db.transaction(async (tx) => {
    const added = await addClientSecret(tx, client_id, options);
    await record(tx, doer, { type: 'client_secret_added', client_id, detail: { secret_id: added.id } });
    return added;
  });
}

/** Removes a secret at once. */
export async function removeSecret(db: Db, doer: Doer, client_id: string, secret_id: string): Promise<void> {
  await db.transaction(async (tx) => {
    await removeClientSecret(tx, client_id, secret_id);
    await record(tx, doer, { type: 'client_secret_removed', client_id, detail: { secret_id } });
  });
}

/** Registers a resource server; refuses with `resource_server_exists`. */
export async function addResourceServer(
  db: Db,
  doer: Doer,
  input: NewResourceServer,
): Promise<ResourceServer> {
  return await db.transaction(async (tx) => {
    const created = await createResourceServer(tx, input);
    await record(tx, doer, ofResourceServer('resource_server_created', created.identifier));
    return created;
  });
}

/** Changes a resource server; refuses with `resource_server_not_found`. */
export async function changeResourceServer(
  db: Db,
  doer: Doer,
  identifier: string,
  change: z.input<typeof resourceServerChange>,
): Promise<ResourceServer> {
  return await db.transaction(async (tx) => {
    const updated = await updateResourceServer(tx, identifier, change);
    if (!updated) throw new AppError('resource_server_not_found');
    const changed = Object.keys(change);
    await record(tx, doer, ofResourceServer('resource_server_updated', identifier, { changed }));
    return updated;
  });
}

/** Removes a resource server: no new tokens for it; those that exist live until they expire. */
export async function removeResourceServer(db: Db, doer: Doer, identifier: string): Promise<void> {
  await db.transaction(async (tx) => {
    if (!(await deleteResourceServer(tx, identifier))) throw new AppError('resource_server_not_found');
    await record(tx, doer, ofResourceServer('resource_server_deleted', identifier));
  });
}

function ofResourceServer(type: EventType, identifier: string, more: object = {}): NewEvent {
  return { type, detail: { identifier, ...more } };
}

async function record(tx: Knex.Transaction, { source, ...by }: Doer, event: NewEvent): Promise<void> {
  await recordEvents(tx, [{ ...event, ...by, ...source }]);
}
