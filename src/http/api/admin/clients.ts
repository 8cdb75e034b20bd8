// Administration of clients: register, read, change, remove, and their secrets.
import { z } from 'zod';
import { addSecret, removeSecret } from '../../../core/actions/change_client_secrets.ts';
import { removeClient } from '../../../core/actions/delete_client.ts';
import { clientChange, clientIdLength, newClient } from '../../../core/clients/client_metadata.ts';
import { type Client, describeClient, findClient, listClients } from '../../../core/clients/clients.ts';
import { rotationProfiles } from '../../../core/clients/rotation_profiles.ts';
import type { Clock } from '../../../core/store/clock.ts';
import { AppError } from '../../../lib/errors.ts';
import { decodeCursor, pageOf } from '../cursor.ts';
import { dateTime, id, paging, route } from '../routes.ts';

// The members of RFC 7591 stand beside ours; which of them there are depends on the client.
const client = z
  .looseObject({
    client_id: z.string(),
    first_party: z.boolean(),
    blocked: z.literal(true).optional(),
    rotation_profile: z.enum(rotationProfiles),
    refresh_token_retry_window: z.number().int().describe('seconds; that of the profile where it has no own'),
    client_secrets: z.array(z.object({ id: z.uuid(), created: z.string(), expires: z.string().nullable() })),
  })
  .meta({ id: 'Client' });
const clientId = { client_id: z.string().min(1).max(clientIdLength) };
const common = { right: 'admin:config', params: clientId } as const;
const seconds = z.number().int().min(0).max(31_536_000);

export const adminClientRoutes = [
  route({
    method: 'get',
    path: '/admin/clients',
    right: 'admin:config',
    summary: 'List clients',
    query: paging,
    response: z
      .object({ clients: z.array(client), next_cursor: z.string().nullable() })
      .meta({ id: 'ClientList' }),
    handler: async ({ deps, query: { limit, cursor } }) => {
      const found = await listClients(deps.db, limit + 1, decodeCursor(cursor, z.string()));
      const { items, next_cursor } = pageOf(found, limit, (last) => last.client_id);
      return { clients: items.map(describeClient), next_cursor };
    },
  }),
  route({
    method: 'post',
    path: '/admin/clients',
    right: 'admin:config',
    summary: 'Register a client; its secret is shown here and never again',
    status: 201,
    body: newClient.meta({ id: 'NewClient', minProperties: 1 }),
    response: client.extend({ client_secret: z.string().optional() }).meta({ id: 'RegisteredClient' }),
    errors: ['client_exists', 'invalid_client_metadata', 'right_missing'],
    handler: async ({ registrar, body, actor }) => {
      const { client: created, client_secret } = await registrar.register(body, actor);
      return { ...describeClient(created), ...(client_secret ? { client_secret } : {}) };
    },
  }),
  route({
    ...common,
    method: 'get',
    path: '/admin/clients/:client_id',
    summary: 'Read a client',
    response: client,
    errors: ['client_not_found'],
    handler: async ({ deps, params }) =>
      describeClient(requireClient(await findClient(deps.db, params.client_id))),
  }),
  route({
    ...common,
    method: 'patch',
    path: '/admin/clients/:client_id',
    summary: 'Change a client: absent members stay as they are, null restores the default',
    body: clientChange.meta({ id: 'ClientChange' }),
    response: client,
    errors: ['client_not_found', 'invalid_client_metadata', 'right_missing'],
    handler: async ({ registrar, params, body, actor }) =>
      describeClient(await registrar.change(params.client_id, body, actor)),
  }),
  route({
    ...common,
    method: 'delete',
    path: '/admin/clients/:client_id',
    summary: 'Remove a client with its sessions; its tokens are inactive at once',
    status: 204,
    errors: ['client_not_found', 'right_missing'],
    handler: async ({ deps, params, actor }) => await removeClient(deps.db, actor, params.client_id),
  }),
  route({
    ...common,
    method: 'post',
    path: '/admin/clients/:client_id/secrets',
    summary: 'Add a second secret beside the live one; it is shown here and never again',
    status: 201,
    body: z
      .strictObject({
        expires_in: seconds.optional().describe('seconds after which the new secret ends; never when absent'),
        previous_expires_in: seconds
          .optional()
          .describe('seconds after which the previous secret ends; never when absent'),
      })
      .meta({ id: 'NewClientSecret' }),
    response: z
      .object({ id: z.uuid(), client_secret: z.string(), expires_at: dateTime.nullable() })
      .meta({ id: 'ClientSecret' }),
    errors: ['client_not_found', 'too_many_secrets', 'right_missing'],
    handler: async ({ deps: { db, clock }, params, body, actor }) => {
      const expires = after(clock, body.expires_in);
      const previous_expires = after(clock, body.previous_expires_in);
      const added = await addSecret(db, actor, params.client_id, { expires, previous_expires });
      return { ...added, expires_at: expires ?? null };
    },
  }),
  route({
    ...common,
    params: { ...clientId, id },
    method: 'delete',
    path: '/admin/clients/:client_id/secrets/:id',
    summary: 'Remove a secret at once',
    status: 204,
    errors: ['client_secret_not_found', 'client_not_found', 'last_secret', 'right_missing'],
    handler: async ({ deps, params, actor }) =>
      await removeSecret(deps.db, actor, params.client_id, params.id),
  }),
];

function requireClient(found: Client | null): Client {
  if (!found) throw new AppError('client_not_found');
  return found;
}

function after(clock: Clock, seconds: number | undefined): Date | undefined {
  return seconds === undefined ? undefined : new Date(clock.now() + seconds * 1000);
}
