// Administration of resource servers: register, read, change, remove.
import { z } from 'zod';
import {
  addResourceServer,
  changeResourceServer,
  removeResourceServer,
} from '../../../core/actions/change_resource_server.ts';
import {
  findResourceServer,
  listResourceServers,
  newResourceServer,
  type ResourceServer,
  resourceServerChange,
} from '../../../core/clients/resource_servers.ts';
import { AppError } from '../../../lib/errors.ts';
import { decodeCursor, pageOf } from '../cursor.ts';
import { dateTime, paging, route } from '../routes.ts';

const server = z
  .object({
    identifier: z.string(),
    name: z.string().nullable(),
    scope: z.string(),
    access_token_format: z.enum(['jwt', 'opaque']),
    access_token_typ: z.enum(['at+jwt', 'JWT']),
    access_token_ttl: z.number().int().nullable(),
    claims: z
      .record(z.string(), z.string())
      .nullable()
      .describe("claims of the user's profile in its access tokens, by their names there"),
    created_at: dateTime,
    updated_at: dateTime,
  })
  .meta({ id: 'ResourceServer' });

const common = {
  right: 'admin:config',
  params: { identifier: z.string().min(1).max(2048).describe('percent-encoded') },
} as const;

export const adminResourceServerRoutes = [
  route({
    method: 'get',
    path: '/admin/resource-servers',
    right: 'admin:config',
    summary: 'List resource servers',
    query: paging,
    response: z
      .object({ resource_servers: z.array(server), next_cursor: z.string().nullable() })
      .meta({ id: 'ResourceServerList' }),
    handler: async ({ deps, query: { limit, cursor } }) => {
      const found = await listResourceServers(deps.db, limit + 1, decodeCursor(cursor, z.string()));
      const { items, next_cursor } = pageOf(found, limit, (last) => last.identifier);
      return { resource_servers: items, next_cursor };
    },
  }),
  route({
    method: 'post',
    path: '/admin/resource-servers',
    right: 'admin:config',
    summary: 'Register a resource server',
    status: 201,
    body: newResourceServer.meta({ id: 'NewResourceServer' }),
    response: server,
    errors: ['resource_server_exists'],
    handler: async ({ deps, body, actor }) => await addResourceServer(deps.db, actor, body),
  }),
  route({
    ...common,
    method: 'get',
    path: '/admin/resource-servers/:identifier',
    summary: 'Read a resource server',
    response: server,
    errors: ['resource_server_not_found'],
    handler: async ({ deps, params }) =>
      requireResourceServer(await findResourceServer(deps.db, params.identifier)),
  }),
  route({
    ...common,
    method: 'patch',
    path: '/admin/resource-servers/:identifier',
    summary: 'Change a resource server; existing tokens stay as they are',
    body: resourceServerChange.meta({ id: 'ResourceServerChange' }),
    response: server,
    errors: ['resource_server_not_found'],
    handler: async ({ deps, params, body, actor }) =>
      await changeResourceServer(deps.db, actor, params.identifier, body),
  }),
  route({
    ...common,
    method: 'delete',
    path: '/admin/resource-servers/:identifier',
    summary:
      'Remove a resource server: no new tokens are issued for it; existing ones stay valid until they expire',
    status: 204,
    errors: ['resource_server_not_found'],
    handler: async ({ deps, params, actor }) => await removeResourceServer(deps.db, actor, params.identifier),
  }),
];

function requireResourceServer(found: ResourceServer | null): ResourceServer {
  if (!found) throw new AppError('resource_server_not_found');
  return found;
}
