// Administration of resource servers: register, read, change, remove.
import { z } from 'zod';
import { recordEvents } from '../core/audit.ts';
import {
  createResourceServer,
  deleteResourceServer,
  findResourceServer,
  listResourceServers,
  newResourceServer,
  type ResourceServer,
  resourceServerChange,
  updateResourceServer,
} from '../core/resource_servers.ts';
import { AppError } from '../lib/errors.ts';
import { packCursor, readCursor } from './cursor.ts';
import { moment, paging, route } from './routes.ts';

const server = z
  .object({
    identifier: z.string(),
    name: z.string().nullable(),
    scope: z.string(),
    access_token_format: z.enum(['jwt', 'opaque']),
    access_token_ttl: z.number().int().nullable(),
    created_at: moment,
    updated_at: moment,
  })
  .meta({ id: 'ResourceServer' });

const shared = {
  auth: 'admin',
  params: { identifier: z.string().min(1).max(2048).describe('percent-encoded') },
} as const;

export const adminResourceServerRoutes = [
  route({
    method: 'get',
    path: '/admin/resource-servers',
    auth: 'admin',
    summary: 'List resource servers',
    query: paging,
    response: z.object({ resource_servers: z.array(server), next_cursor: z.string().nullable() }),
    handler: async ({ services, query: { limit, cursor } }) => {
      const found = await listResourceServers(services.db, limit + 1, readCursor(cursor, z.string()));
      const page = found.slice(0, limit);
      return {
        resource_servers: page,
        next_cursor: found.length > limit ? packCursor(page.at(-1)?.identifier) : null,
      };
    },
  }),
  route({
    method: 'post',
    path: '/admin/resource-servers',
    auth: 'admin',
    summary: 'Register a resource server',
    status: 201,
    body: newResourceServer,
    response: server,
    errors: ['resource_server_exists'],
    handler: async ({ services, body, by, origin }) =>
      await services.db.transaction(async (tx) => {
        const created = await createResourceServer(tx, body);
        const detail = { identifier: created.identifier };
        await recordEvents(tx, [{ type: 'resource_server_created', ...by, detail, ...origin }]);
        return created;
      }),
  }),
  route({
    ...shared,
    method: 'get',
    path: '/admin/resource-servers/:identifier',
    summary: 'Read a resource server',
    response: server,
    errors: ['resource_server_not_found'],
    handler: async ({ services, params }) =>
      required(await findResourceServer(services.db, params.identifier)),
  }),
  route({
    ...shared,
    method: 'patch',
    path: '/admin/resource-servers/:identifier',
    summary: 'Change a resource server; tokens that exist stay as they are',
    body: resourceServerChange,
    response: server,
    errors: ['resource_server_not_found'],
    handler: async ({ services, params, body, by, origin }) =>
      await services.db.transaction(async (tx) => {
        const updated = required(await updateResourceServer(tx, params.identifier, body));
        const detail = { identifier: params.identifier, changed: Object.keys(body) };
        await recordEvents(tx, [{ type: 'resource_server_updated', ...by, detail, ...origin }]);
        return updated;
      }),
  }),
  route({
    ...shared,
    method: 'delete',
    path: '/admin/resource-servers/:identifier',
    summary: 'Remove a resource server: no new tokens for it; those that exist live until they expire',
    status: 204,
    errors: ['resource_server_not_found'],
    handler: async ({ services, params, by, origin }) =>
      await services.db.transaction(async (tx) => {
        const { identifier } = params;
        if (!(await deleteResourceServer(tx, identifier))) throw new AppError('resource_server_not_found');
        await recordEvents(tx, [
          { type: 'resource_server_deleted', ...by, detail: { identifier }, ...origin },
        ]);
      }),
  }),
];

function required(found: ResourceServer | null): ResourceServer {
  if (!found) throw new AppError('resource_server_not_found');
  return found;
}
