// The caller's devices: list, read, rename, forget.
import { z } from 'zod';
import { type Device, deviceName, findDevice, listDevices, renameDevice } from '../core/devices.ts';
import { removeDevice } from '../core/remove_device.ts';
import { AppError } from '../lib/errors.ts';
import { type Call, id, moment, route } from './routes.ts';

const device = z
  .object({
    id: z.uuid(),
    device_id: z.string(),
    name: z.string().nullable(),
    platform: z.string().nullable(),
    app_version: z.string().nullable(),
    last_seen_at: moment,
    created_at: moment,
  })
  .meta({ id: 'Device' });

const shared = { auth: 'user', params: { id }, errors: ['device_not_found'] } as const;

export const deviceRoutes = [
  route({
    method: 'get',
    path: '/devices',
    auth: 'user',
    summary: 'List my devices, last seen first',
    response: z.object({ devices: z.array(device) }).meta({ id: 'DeviceList' }),
    handler: async ({ services, caller }) => ({ devices: await listDevices(services.db, caller.sub) }),
  }),
  route({
    ...shared,
    errors: [...shared.errors],
    method: 'get',
    path: '/devices/:id',
    summary: 'Read one of my devices',
    response: device,
    handler: async ({ services, caller, params }) =>
      await requireDevice(findDevice(services.db, caller.sub, params.id)),
  }),
  route({
    ...shared,
    errors: [...shared.errors],
    method: 'patch',
    path: '/devices/:id',
    summary: 'Rename one of my devices',
    body: z.strictObject({ name: deviceName }).meta({ id: 'DeviceChange' }),
    response: device,
    handler: async ({ services, caller, params, body }) =>
      await requireDevice(renameDevice(services.db, caller.sub, params.id, body.name)),
  }),
  route({
    ...shared,
    errors: [...shared.errors],
    method: 'delete',
    path: '/devices/:id',
    status: 204,
    summary: 'Forget one of my devices and end its sessions',
    handler: forgetMyDevice,
  }),
];

async function forgetMyDevice({ services, caller, params, origin }: Call<{ id: string }>): Promise<void> {
  const by = { actor: 'user', actor_id: caller.sub, origin } as const;
  if (!(await removeDevice(services.db, caller.sub, params.id, by))) throw new AppError('device_not_found');
}

async function requireDevice(found: Promise<Device | null>): Promise<Device> {
  const one = await found;
  if (!one) throw new AppError('device_not_found');
  return one;
}
