// Registration of clients: what the engine would refuse at the first request is refused at once.
import { errors, type Provider } from 'oidc-provider';
import { type Client, createClient, type NewClient } from '../core/clients.ts';
import type { Db } from '../core/db.ts';
import { AppError } from '../lib/errors.ts';
import { engineMetadata } from './adapter.ts';

/**
 * Registers a client and returns it with its secret, which is never shown again. Refuses with `client_exists` or
 * `invalid_client_metadata` (RFC 7591, 3.2.2), the reason in words.
 */
export async function registerClient(
  db: Db,
  provider: Provider,
  input: NewClient,
): Promise<{ client: Client; client_secret?: string }> {
  return await db.transaction(async (tx) => {
    const created = await createClient(tx, input);
    await validate(provider, created.client);
    return created;
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
