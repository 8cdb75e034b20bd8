// Validation of clients by the engine: what it would refuse at the first request is refused at registration.
import { errors, type Provider } from 'oidc-provider';
import type { ClientValidator } from '../../core/actions/register_client.ts';
import type { Client } from '../../core/clients/clients.ts';
import type { Deps } from '../../core/deps.ts';
import { AppError } from '../../lib/errors.ts';
import { engineMetadata } from './engine_metadata.ts';

/** The validator of the current engine; refuses with `invalid_client_metadata` and the reason in words. */
export function createClientValidator(deps: Pick<Deps, 'keys'>, provider: () => Provider): ClientValidator {
  return async (client, said = client.metadata) => await validate(deps, provider(), client, said);
}

// Algorithms that are said now must be offered. One that was said before and has left the settings since is replaced, so that the
// client can still be changed.
async function validate(
  { keys }: Pick<Deps, 'keys'>,
  provider: Provider,
  client: Client,
  said: object,
): Promise<void> {
  const metadata = engineMetadata(client, keys.algs());
  const algs = Object.entries(said).filter(([name, value]) => name.endsWith('_signed_response_alg') && value);
  try {
    await provider.Client.validate({ ...metadata, ...Object.fromEntries(algs) });
  } catch (error) {
    if (!(error instanceof errors.InvalidClientMetadata)) throw error;
    throw new AppError('invalid_client_metadata', error.error_description);
  }
}
