// The commands that read, change and remove what is registered: clients with their secrets, resource servers.
import { type NewEvent, recordEvents } from '../core/audit.ts';
import { clientChange } from '../core/client_metadata.ts';
import { addClientSecret, removeClientSecret } from '../core/client_secrets.ts';
import { deleteClient, describeClient, findClient, listClients } from '../core/clients.ts';
import type { Db } from '../core/db.ts';
import {
  deleteResourceServer,
  findResourceServer,
  listResourceServers,
  resourceServerChange,
  updateResourceServer,
} from '../core/resource_servers.ts';
import { AppError } from '../lib/errors.ts';
import { parseId } from '../lib/ids.ts';
import { changeClient } from '../oidc/clients.ts';
import { withProvider } from './clients.ts';
import { withDatabase } from './database.ts';
import { readJson } from './input.ts';
import { type Answer, formatTable, warn } from './output.ts';

/** The most that one list shows; whoever has more asks the API, which has pages. */
const longest = 1_000;

/** `clients` */
export async function showClients(): Promise<Answer> {
  return await withDatabase(async (db) => {
    const clients = (await listClients(db, longest)).map(describeClient);
    const rows = clients.map((one) => [
      String(one.client_id),
      String(one.client_name ?? ''),
      String(one.rotation_profile),
    ]);
    return { data: clients, text: formatTable(['CLIENT', 'NAME', 'PROFILE'], rows) };
  });
}

/** `client <id>` */
export async function showClient(id: string): Promise<Answer> {
  return await withDatabase(async (db) =>
    asJson(describeClient(required(await findClient(db, id), 'client_not_found'))),
  );
}

/** `update-client <id> --metadata <file>`: what is absent stays, what is null goes back to its default. */
export async function updateClient(id: string, { metadata }: { metadata: string }): Promise<Answer> {
  const change = clientChange.parse(await readJson(metadata));
  return await withProvider(async (db, provider) => {
    const detail = { changed: Object.keys(change) };
    const updated = await changeClient(db, provider, id, change, async (tx) => {
      await note(tx, { type: 'client_updated', client_id: id, detail });
    });
    return asJson(describeClient(required(updated, 'client_not_found')));
  });
}

/** `delete-client <id>`: its sessions and tokens end with it. */
export async function removeClient(id: string): Promise<Answer> {
  return await inTransaction(async (tx) => {
    if (!(await deleteClient(tx, id))) throw new AppError('client_not_found');
    await note(tx, { type: 'client_deleted', client_id: id });
    return { data: { client_id: id }, text: `deleted client ${id}, its sessions and tokens` };
  });
}

/** `add-client-secret <id>`: a second one beside the live one, shown now and never again. */
export async function addSecret(id: string): Promise<Answer> {
  return await inTransaction(async (tx) => {
    const added = await addClientSecret(tx, id);
    await note(tx, { type: 'client_secret_added', client_id: id, detail: { secret_id: added.id } });
    warn('client_secret is shown now and never again');
    return asJson(added);
  });
}

/** `remove-client-secret <id> <secret-id>` */
export async function removeSecret(id: string, secret: string): Promise<Answer> {
  return await inTransaction(async (tx) => {
    await removeClientSecret(tx, id, required(parseId(secret), 'client_secret_not_found'));
    await note(tx, { type: 'client_secret_removed', client_id: id, detail: { secret_id: secret } });
    return { data: { id: secret }, text: `removed secret ${secret} of client ${id}` };
  });
}

/** `resource-servers` */
export async function showResourceServers(): Promise<Answer> {
  return await withDatabase(async (db) => {
    const servers = await listResourceServers(db, longest);
    const rows = servers.map((one) => [one.identifier, one.access_token_format, one.scope]);
    return { data: servers, text: formatTable(['IDENTIFIER', 'TOKENS', 'SCOPE'], rows) };
  });
}

/** `resource-server <identifier>` */
export async function showResourceServer(identifier: string): Promise<Answer> {
  return await withDatabase(async (db) =>
    asJson(required(await findResourceServer(db, identifier), 'resource_server_not_found')),
  );
}

/** `update-resource-server <identifier> --metadata <file>` */
export async function changeResourceServer(
  identifier: string,
  { metadata }: { metadata: string },
): Promise<Answer> {
  const change = resourceServerChange.parse(await readJson(metadata));
  return await inTransaction(async (tx) => {
    const updated = required(await updateResourceServer(tx, identifier, change), 'resource_server_not_found');
    await note(tx, { type: 'resource_server_updated', detail: { identifier, changed: Object.keys(change) } });
    return asJson(updated);
  });
}

/** `delete-resource-server <identifier>`: no new tokens for it; those that exist live until they expire. */
export async function removeResourceServer(identifier: string): Promise<Answer> {
  return await inTransaction(async (tx) => {
    if (!(await deleteResourceServer(tx, identifier))) throw new AppError('resource_server_not_found');
    await note(tx, { type: 'resource_server_deleted', detail: { identifier } });
    return { data: { identifier }, text: `deleted resource server ${identifier}` };
  });
}

async function inTransaction(work: (tx: Db) => Promise<Answer>): Promise<Answer> {
  return await withDatabase(async (db) => await db.transaction(async (tx) => await work(tx)));
}

async function note(db: Db, event: NewEvent): Promise<void> {
  await recordEvents(db, [{ ...event, actor: 'admin' }]);
}

function asJson(data: object): Answer {
  return { data, text: JSON.stringify(data, null, 2) };
}

function required<T>(found: T | null, missing: ConstructorParameters<typeof AppError>[0]): T {
  if (found === null) throw new AppError(missing);
  return found;
}
