// The commands that show, change and delete registrations: clients with their secrets, and resource servers.
import {
  addSecret as addClientSecret,
  removeSecret as removeClientSecret,
} from '../core/actions/change_client_secrets.ts';
import {
  removeResourceServer as deleteResourceServer,
  changeResourceServer as updateResourceServer,
} from '../core/actions/change_resource_server.ts';
import { countWhatEnds, removeClient as deleteClient } from '../core/actions/delete_client.ts';
import { clientChange } from '../core/clients/client_metadata.ts';
import { describeClient, findClient, listClients } from '../core/clients/clients.ts';
import {
  findResourceServer,
  listResourceServers,
  resourceServerChange,
} from '../core/clients/resource_servers.ts';
import { AppError } from '../lib/errors.ts';
import { formatNumberOf } from '../lib/format.ts';
import { parseId } from '../lib/ids.ts';
import { withRegistrar } from './clients.ts';
import { byCommand, withDatabase } from './database.ts';
import { readJson } from './input.ts';
import { type Answer, CommandError, formatTable, warn } from './output.ts';

/** The most rows that a list shows; the API has pages for more. */
const maxRows = 1_000;

/** `clients` */
export async function showClients(): Promise<Answer> {
  return await withDatabase(async (db) => {
    const clients = (await listClients(db, maxRows)).map(describeClient);
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
    asJson(describeClient(requireFound(await findClient(db, id), 'client_not_found'))),
  );
}

/** `update-client <id> --metadata <file>`: absent members stay as they are, null restores a default. */
export async function updateClient(id: string, { metadata }: { metadata: string }): Promise<Answer> {
  const change = clientChange.parse(await readJson(metadata));
  return await withRegistrar(async (registrar) =>
    asJson(describeClient(await registrar.change(id, change, byCommand))),
  );
}

/** `delete-client <id> --yes`: ends its sessions and tokens too. */
export async function removeClient(id: string, { yes = false }: { yes?: boolean }): Promise<Answer> {
  return await withDatabase(async (db) => {
    const client = requireFound(await findClient(db, id), 'client_not_found');
    if (!yes) {
      const { sessions, consents } = await countWhatEnds(db, id);
      const name = client.metadata.client_name ? ` (${client.metadata.client_name})` : '';
      throw new CommandError(
        `this would delete client ${id}${name} and end its ${formatNumberOf(sessions, 'live session')} and ${formatNumberOf(consents, 'consent')}; add --yes`,
      );
    }
    await deleteClient(db, byCommand, id);
    return { data: { client_id: id }, text: `deleted client ${id}, its sessions and tokens` };
  });
}

/** `add-client-secret <id>`: a second secret beside the present one, shown only once. */
export async function addSecret(id: string): Promise<Answer> {
  return await withDatabase(async (db) => {
    const added = await addClientSecret(db, byCommand, id);
    warn('the client_secret is shown only once');
    return asJson(added);
  });
}

/** `remove-client-secret <id> <secret-id>` */
export async function removeSecret(id: string, secret: string): Promise<Answer> {
  return await withDatabase(async (db) => {
    await removeClientSecret(db, byCommand, id, requireFound(parseId(secret), 'client_secret_not_found'));
    return { data: { id: secret }, text: `removed secret ${secret} of client ${id}` };
  });
}

/** `resource-servers` */
export async function showResourceServers(): Promise<Answer> {
  return await withDatabase(async (db) => {
    const servers = await listResourceServers(db, maxRows);
    const rows = servers.map((one) => [one.identifier, one.access_token_format, one.scope]);
    return { data: servers, text: formatTable(['IDENTIFIER', 'TOKENS', 'SCOPE'], rows) };
  });
}

/** `resource-server <identifier>` */
export async function showResourceServer(identifier: string): Promise<Answer> {
  return await withDatabase(async (db) =>
    asJson(requireFound(await findResourceServer(db, identifier), 'resource_server_not_found')),
  );
}

/** `update-resource-server <identifier> --metadata <file>` */
export async function changeResourceServer(
  identifier: string,
  { metadata }: { metadata: string },
): Promise<Answer> {
  const change = resourceServerChange.parse(await readJson(metadata));
  return await withDatabase(async (db) =>
    asJson(await updateResourceServer(db, byCommand, identifier, change)),
  );
}

/** `delete-resource-server <identifier>`: no new tokens for it; existing ones are valid until they expire. */
export async function removeResourceServer(identifier: string): Promise<Answer> {
  return await withDatabase(async (db) => {
    await deleteResourceServer(db, byCommand, identifier);
    return { data: { identifier }, text: `deleted resource server ${identifier}` };
  });
}

function asJson(data: object): Answer {
  return { data, text: JSON.stringify(data, null, 2) };
}

function requireFound<T>(found: T | null, missing: ConstructorParameters<typeof AppError>[0]): T {
  if (found === null) throw new AppError(missing);
  return found;
}
