// Registering a client and changing it, for administrators: the row, the engine's consent to it, and the event.
import { AppError } from '../../lib/errors.ts';
import type { ClientChange, NewClient } from '../clients/client_metadata.ts';
import { type Client, createClient, updateClient } from '../clients/clients.ts';
import { requireRegistered } from '../clients/resource_servers.ts';
import { requireForwarding } from '../clients/security_profile.ts';
import type { Deps } from '../deps.ts';
import type { Db } from '../store/db.ts';
import { requireAuthorityOverClient } from '../users/authority.ts';
import { type Initiator, recordEventOf, requireClientAuthority } from './initiator.ts';

/** Refuses with `invalid_client_metadata` a client that the engine would not accept. `said` are the members that are new; all where absent. */
export type ClientValidator = (client: Client, said?: object) => Promise<void>;

/** An interface, because the routes that need it must not know the engine. */
export interface ClientRegistrar {
  /**
   * Registers a client and returns it with its secret, which is never shown again. Refuses with `client_exists`,
   * `right_missing` or `invalid_client_metadata` (RFC 7591, 3.2.2).
   */
  register: (input: NewClient, initiator: Initiator) => Promise<{ client: Client; client_secret?: string }>;
  /** Changes a client. Refuses with `client_not_found`, `right_missing` or `invalid_client_metadata`. */
  change: (client_id: string, change: ClientChange, initiator: Initiator) => Promise<Client>;
}

/** The registrar of clients that `validate` accepts. */
export function createClientRegistrar(
  { db, config }: Pick<Deps, 'db' | 'config'>,
  validate: ClientValidator,
): ClientRegistrar {
  return {
    register: async (input, initiator) =>
      await db.transaction(async (tx) => {
        await requireNamedServers(tx, config, input);
        const created = await createClient(tx, input);
        requireAuthorityOverClient(initiator.authority, created.client);
        const { client_id, metadata } = created.client;
        requireForwarding(metadata, config.certificateHeader !== null);
        await validate(created.client);
        await recordEventOf(tx, initiator, { type: 'client_created', client_id });
        return created;
      }),
    change: async (client_id, change, initiator) =>
      await db.transaction(async (tx) => {
        await requireClientAuthority(tx, initiator, client_id);
        const updated = await updateClient(tx, client_id, change);
        if (!updated) throw new AppError('client_not_found');
        requireAuthorityOverClient(initiator.authority, updated);
        await requireNamedServers(tx, config, change);
        // As with servers: only where this change asks for certificates.
        if (binding.some((name) => name in change))
          requireForwarding(updated.metadata, config.certificateHeader !== null);
        await validate(updated, change);
        const detail = { changed: Object.keys(change) };
        await recordEventOf(tx, initiator, { type: 'client_updated', client_id, detail });
        return updated;
      }),
  };
}

/** The members by which the tokens of a client of FAPI 2.0 become bound to certificates. */
const binding = ['security_profile', 'tls_client_certificate_bound_access_tokens'];

// Only the servers that this change names: a client that names a server which was removed can still be changed otherwise.
async function requireNamedServers(
  tx: Db,
  config: Deps['config'],
  { resource_server, default_resource }: ClientChange,
): Promise<void> {
  if (resource_server && resource_server !== '*')
    await requireRegistered(tx, 'resource_server', resource_server, config.resource);
  if (default_resource) await requireRegistered(tx, 'default_resource', default_resource, config.resource);
}
