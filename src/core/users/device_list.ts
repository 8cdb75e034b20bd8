// A user's devices as lists show them: with the last use of their sessions. A rotation does not write to the device; the use of a session
// is added to the row when the session ends (sessions/push_tokens.ts), and read from the session until then.
import { type Db, isPostgres, rows } from '../store/db.ts';
import { type Device, deviceColumns } from './devices.ts';

/** A list of devices continues after this one. */
export type DeviceCursor = Pick<Device, 'last_seen_at' | 'id'>;

// Only sessions that have not ended are read, so the work does not grow with the user's history.
const seenSql = (db: Db, condition: string) => `
  select * from (
    select d.id, d.user_id, d.device_id, d.platform, d.name, d.app_version, d.push_token, d.secret_digest, d.secret_proof, d.created_at,
      ${isPostgres(db) ? 'greatest' : 'max'}(d.last_seen_at, coalesce(l.used_at, d.last_seen_at)) as last_seen_at
    from devices d left join (
      select device_id, max(last_used_at) as used_at from sessions
      where user_id = :user_id and ended_at is null and device_id is not null group by device_id) l on l.device_id = d.id
    where d.user_id = :user_id) as seen
  where ${condition} order by last_seen_at desc, id desc limit :limit`;

/** One device of this user, or null; also null for another user's device. */
export async function findDevice(db: Db, user_id: string, id: string): Promise<Device | null> {
  const [device] = await rows<Device>(db, seenSql(db, 'id = :id'), { user_id, id, limit: 1 }, deviceColumns);
  return device ?? null;
}

/** A user's devices, last seen first, `limit` at a time. */
export async function listDevices(
  db: Db,
  user_id: string,
  { limit, after }: { limit: number; after?: DeviceCursor | undefined },
): Promise<Device[]> {
  const behind = '(last_seen_at < :used or (last_seen_at = :used and id < :after))';
  const values = { user_id, limit, used: after?.last_seen_at ?? null, after: after?.id ?? null };
  return await rows<Device>(db, seenSql(db, after ? behind : 'true'), values, deviceColumns);
}
