// Devices that a user logs in on. The client chooses `device_id`; the row's own id is ours.
import { z } from 'zod';
import { cutText } from '../../lib/cut_text.ts';
import { newId } from '../../lib/ids.ts';
import { declareColumns, isText, type Table } from '../store/columns.ts';
import { type Db, rows } from '../store/db.ts';
import { present } from '../store/sql_time.ts';
import { statement } from '../store/statements.ts';

export interface Device {
  id: string;
  user_id: string;
  /** Chosen by the client, unique for the user only. */
  device_id: string;
  platform: string | null;
  name: string | null;
  app_version: string | null;
  push_token: string | null;
  /** Digest of the secret that identifies the device, see known_devices.ts. */
  secret_digest: string | null;
  /** Digest of the password hash that the user had when the device got the secret. */
  secret_proof: string | null;
  /** The last login; device_list.ts reads the last use of its sessions. */
  last_seen_at: Date;
  created_at: Date;
}

declare module 'knex/types/tables.js' {
  interface Tables {
    devices: Table<Device>;
  }
}

export const deviceColumns = { last_seen_at: 'time', created_at: 'time' } as const;
declareColumns('devices', deviceColumns);

// A parser turns bytes that are not UTF-8 into U+FFFD; that text must not be stored as if the client had sent it.
const text = (max: number) =>
  z
    .string()
    .max(max)
    .regex(/^[^\p{Cc}\p{Cs}\uFFFD]*$/u, 'must be text without control characters');

// The same in the dialects of other languages, for the OpenAPI document.
const anyDialect = { pattern: '^[^\\x00-\\x1f\\x7f-\\x9f\uFFFD]*$' };

/** The name that a user gives a device: 1 to 100 characters. */
export const deviceName = text(100).min(1).meta(anyDialect);

/** The address for push messages to a device. */
export const pushToken = text(4096).min(1).meta(anyDialect);

// A description is only shown in lists. No login fails because of it: characters that cannot be stored are left out.
const description = (max: number) =>
  z
    .string()
    .transform(
      (value) => cutText(value.slice(0, 20 * max).replace(/[\p{Cc}\p{Cs}\uFFFD]/gu, ''), max) || undefined,
    );

/** The parameters by which a login describes its device. */
export const deviceParameters = z.object({
  device_id: text(200).min(1).optional(),
  device_secret: z.string().optional(),
  device_name: description(100).optional(),
  platform: description(50).optional(),
  app_version: description(50).optional(),
  push_token: text(4096).optional(),
});

export type DeviceParameters = z.output<typeof deviceParameters>;

// Listed by name, because a prepared statement with `*` fails once a column has been added.
const columns =
  'id, user_id, device_id, platform, name, app_version, push_token, secret_digest, secret_proof, last_seen_at, created_at';

const noteSql = `
  insert into devices (${columns})
  values (:id, :user_id, :device_id, :platform, :name, :app_version, :push_token, :secret_digest, :secret_proof, :now, :now)
  on conflict (user_id, device_id) do update set
    name = coalesce(devices.name, excluded.name),
    platform = coalesce(excluded.platform, devices.platform),
    app_version = coalesce(excluded.app_version, devices.app_version),
    push_token = coalesce(excluded.push_token, devices.push_token),
    secret_digest = coalesce(excluded.secret_digest, devices.secret_digest),
    secret_proof = coalesce(excluded.secret_proof, devices.secret_proof),
    last_seen_at = excluded.last_seen_at
  returning ${columns}`;

const note = statement<Device>('note_device', () => noteSql, deviceColumns);

const findByName = statement<Device>(
  { name: 'device_by_name', commit: 'local' },
  () => `select ${columns} from devices where user_id = :user_id and device_id = :device_id`,
  deviceColumns,
);

/**
 * Registers the device of a login, or updates its description. A name that the user gave it stays. `secret` identifies the
 * device from now on. Null when the client did not name a device.
 */
export async function registerDevice(
  db: Db,
  user_id: string,
  given: DeviceParameters & { secret?: Pick<Device, 'secret_digest' | 'secret_proof'> },
  at?: Date,
): Promise<Device | null> {
  if (!given.device_id) return null;
  const values = {
    id: newId(at?.getTime()),
    user_id,
    device_id: given.device_id,
    name: given.device_name ?? null,
    platform: given.platform ?? null,
    app_version: given.app_version ?? null,
    push_token: given.push_token ?? null,
    secret_digest: given.secret?.secret_digest ?? null,
    secret_proof: given.secret?.secret_proof ?? null,
  };
  const [device] = at
    ? await rows<Device>(db, noteSql, { ...values, now: present(db, at) }, deviceColumns)
    : await note(db, values);
  return device ?? null;
}

/** The device of this user with this `device_id`, or null. */
export async function findNamedDevice(db: Db, user_id: string, device_id: string): Promise<Device | null> {
  if (!isText(device_id)) return null;
  const [device] = await findByName(db, { user_id, device_id });
  return device ?? null;
}

/** Gives a device a name; null when the user has no such device. */
export async function renameDevice(
  db: Db,
  user_id: string,
  id: string,
  name: string,
): Promise<Device | null> {
  const [device] = await db('devices').where({ id, user_id }).update({ name }).returning('*');
  return device ?? null;
}
