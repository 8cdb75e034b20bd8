// The caller's devices: list, read, change, forget.
import { z } from 'zod';
import { changeDevice } from '../../core/actions/change_device.ts';
import { removeDevice } from '../../core/actions/remove_device.ts';
import { findDevice, listDevices } from '../../core/users/device_list.ts';
import { type Device, deviceName, pushToken } from '../../core/users/devices.ts';
import { AppError } from '../../lib/errors.ts';
import { decodeCursor, pageOf } from './cursor.ts';
import { type ApiRequest, dateTime, id, paging, route } from './routes.ts';

const deviceSchema = z
  .object({
    id: z.uuid(),
    device_id: z.string(),
    name: z.string().nullable(),
    platform: z.string().nullable(),
    app_version: z.string().nullable(),
    last_seen_at: dateTime,
    created_at: dateTime,
  })
  .meta({ id: 'Device' });

const deviceChange = z
  .strictObject({
    name: deviceName.optional(),
    push_token: pushToken.nullable().optional().describe('null removes it'),
  })
  .refine(({ name, push_token }) => name !== undefined || push_token !== undefined, 'changes nothing')
  .meta({ id: 'DeviceChange', minProperties: 1 });

const common = { auth: 'user', params: { id }, errors: ['device_not_found'] } as const;

export const deviceRoutes = [
  route({
    method: 'get',
    path: '/devices',
    auth: 'user',
    summary: 'List my devices, last seen first',
    query: { ...paging, limit: z.coerce.number().int().min(1).max(200).default(200) },
    response: z
      .object({ devices: z.array(deviceSchema), next_cursor: z.string().nullable() })
      .meta({ id: 'DeviceList' }),
    handler: listMyDevices,
  }),
  route({
    ...common,
    errors: [...common.errors],
    method: 'get',
    path: '/devices/:id',
    summary: 'Read one of my devices',
    response: deviceSchema,
    handler: async ({ deps, caller, params }) =>
      await requireDevice(findDevice(deps.db, caller.sub, params.id)),
  }),
  route({
    ...common,
    errors: ['device_not_found', 'device_signed_out'],
    method: 'patch',
    path: '/devices/:id',
    summary:
      'Rename one of my devices, or set where push messages go; a device has a push token only while a session is live there',
    body: deviceChange,
    response: deviceSchema,
    handler: async ({ deps, caller, params, body }) =>
      await changeDevice(deps.db, caller.sub, params.id, body),
  }),
  route({
    ...common,
    errors: [...common.errors],
    method: 'delete',
    path: '/devices/:id',
    status: 204,
    summary: 'Forget one of my devices and end its sessions',
    handler: forgetMyDevice,
  }),
];

const position = z.tuple([z.iso.datetime(), z.uuid()]);

async function listMyDevices({
  deps,
  caller,
  query: { limit, cursor },
}: ApiRequest<unknown, { limit: number; cursor?: string | undefined }>) {
  const at = decodeCursor(cursor, position);
  const after = at && { last_seen_at: new Date(at[0]), id: at[1] };
  const found = await listDevices(deps.db, caller.sub, { limit: limit + 1, after });
  const { items, next_cursor } = pageOf(found, limit, (last) => [last.last_seen_at, last.id]);
  return { devices: items, next_cursor };
}

async function forgetMyDevice({ deps, caller, params, actor }: ApiRequest<{ id: string }>): Promise<void> {
  if (!(await removeDevice(deps.db, caller.sub, params.id, actor))) throw new AppError('device_not_found');
}

async function requireDevice(found: Promise<Device | null>): Promise<Device> {
  const device = await found;
  if (!device) throw new AppError('device_not_found');
  return device;
}
