// Registration of clients: what the engine would refuse at the first request is refused at once.
import { errors, type Provider } from 'oidc-provider';
import type { ClientChange, NewClient } from '../core/client_metadata.ts';
import { type Client, type ClientRegistry, createClient, updateClient } from '../core/clients.ts';
import type { Db } from '../core/db.ts';
import { AppError } from '../lib/errors.ts';
import { engineMetadata } from './adapter.ts';

type Noted = Parameters<ClientRegistry['register']>[1];

/** The registry of clients that the engine of the moment accepts. */
export function createClientRegistry(db: Db, provider: () => Provider): ClientRegistry {
  return {
    register: async (input, noted) => await registerClient(db, provider(), input, noted),
    change: async (client_id, change, noted) => await changeClient(db, provider(), client_id, change, noted),
  };
}

/**
 * Registers a client and returns it with its secret, which is never shown again. Refuses with `client_exists` or
 * `invalid_client_metadata` (RFC 7591, 3.2.2), the reason in words. `noted` joins the transaction.
 */
export async function registerClient(
  db: Db,
  provider: Provider,
  input: NewClient,
  noted?: Noted,
): Promise<{ client: Client; client_secret?: string }> {
  return await db.transaction(async (tx) => {
    const created = await createClient(tx, input);
    await validate(provider, created.client);
    await noted?.(tx, created.client);
    return created;
  });
}

/** Changes a client; null when there is none. Refuses like {@link registerClient}. */
export async function changeClient(
  db: Db,
  provider: Provider,
  client_id: string,
  change: ClientChange,
  noted: Noted,
): Promise<Client | null> {
  return await db.transaction(async (tx) => {
    const updated = await updateClient(tx, client_id, change);
    if (!updated) return null;
    await validate(provider, updated);
    await noted?.(tx, updated);
    return updated;
  });
}

async function validate(provider: Provider, client: Client): Promise<void> {
  const { Client } = provider as unknown as { Client: { validate: (metadata: object) => Promise<void> } };
  try {
    await Client.validate(engineMetadata(client));
  } catch (error) {
    if (!(error instanceof errors.InvalidClientMetadata)) throw error;
    throw new AppError('invalid_client_metadata', error.error_description);
  }
}
