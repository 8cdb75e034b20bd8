// Validation of clients by the engine: what it would refuse at the first request is refused at registration.
import { errors, type Provider } from 'oidc-provider';
import type { ClientValidator } from '../../core/actions/register_client.ts';
import type { Client } from '../../core/clients/clients.ts';
import { AppError } from '../../lib/errors.ts';
import { engineMetadata } from './engine_metadata.ts';

/** The validator of the current engine; refuses with `invalid_client_metadata` and the reason in words. */
export function createClientValidator(provider: () => Provider): ClientValidator {
  return async (client) => await validate(provider(), client);
}

async function validate(provider: Provider, client: Client): Promise<void> {
  try {
    await provider.Client.validate(engineMetadata(client));
  } catch (error) {
    if (!(error instanceof errors.InvalidClientMetadata)) throw error;
    throw new AppError('invalid_client_metadata', error.error_description);
  }
}
