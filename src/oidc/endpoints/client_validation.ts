// Registration of clients: what the engine would refuse at the first request is refused at once.
import { errors, type Provider } from 'oidc-provider';
import type { ClientChange, NewClient } from '../../core/clients/client_metadata.ts';
import { type Client, type ClientRegistrar, createClient, updateClient } from '../../core/clients/clients.ts';
import { requireRegistered } from '../../core/clients/resource_servers.ts';
import type { Deps } from '../../core/deps.ts';
import type { Db } from '../../core/store/db.ts';
import { AppError } from '../../lib/errors.ts';
import { engineMetadata } from './engine_metadata.ts';

/** The database, and what our own API is called. */
type Registering = Pick<Deps, 'db' | 'config'>;

type Noted = Parameters<ClientRegistrar['register']>[1];

/** The registrar of clients that the engine of the moment accepts. */
export function createClientRegistrar(deps: Registering, provider: () => Provider): ClientRegistrar {
  return {
    register: async (input, noted) => await registerClient(deps, provider(), input, noted),
    change: async (client_id, change, noted) =>
      await changeClient(deps, provider(), client_id, change, noted),
  };
}

/**
 * Registers a client and returns it with its secret, which is never shown again. Refuses with `client_exists` or
 * `invalid_client_metadata` (RFC 7591, 3.2.2), the reason in words. `noted` joins the transaction.
 */
export async function registerClient(
  { db, config }: Registering,
  provider: Provider,
  input: NewClient,
  noted?: Noted,
): Promise<{ client: Client; client_secret?: string }> {
  return await db.transaction(async (tx) => {
    await requireServers(tx, config, input);
    const created = await createClient(tx, input);
    await validate(provider, created.client);
    await noted?.(tx, created.client);
    return created;
  });
}

/** Changes a client; null when there is none. Refuses like {@link registerClient}. */
export async function changeClient(
  { db, config }: Registering,
  provider: Provider,
  client_id: string,
  change: ClientChange,
  noted: Noted,
): Promise<Client | null> {
  return await db.transaction(async (tx) => {
    const updated = await updateClient(tx, client_id, change);
    if (!updated) return null;
    await requireServers(tx, config, change);
    await validate(provider, updated);
    await noted?.(tx, updated);
    return updated;
  });
}

// Only what is said now: a client that names an API which has gone can be changed otherwise.
async function requireServers(
  tx: Db,
  config: Deps['config'],
  { resource_server, default_resource }: ClientChange,
): Promise<void> {
  if (resource_server && resource_server !== '*')
    await requireRegistered(tx, 'resource_server', resource_server, config.resource);
  if (default_resource) await requireRegistered(tx, 'default_resource', default_resource, config.resource);
}

async function validate(provider: Provider, client: Client): Promise<void> {
  try {
    await provider.Client.validate(engineMetadata(client));
  } catch (error) {
    if (!(error instanceof errors.InvalidClientMetadata)) throw error;
    throw new AppError('invalid_client_metadata', error.error_description);
  }
}
