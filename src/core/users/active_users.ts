// Which users may log in and use tokens: those who are active, and those whose ban has expired.
import type { Db } from '../store/db.ts';
import { readClock } from '../store/sql_time.ts';
import type { User } from './users.ts';

/** SQL that is true for a user who may log in and use tokens; `prefix` is the table's name or alias with a dot. */
export function isActiveSql(prefix = ''): string {
  return `(${prefix}status = 'active' or (${prefix}status = 'banned' and ${prefix}ban_expires_at <= :now))`;
}

/**
 * Whether a user may log in and use tokens: active, or banned until a time that has passed. The database's clock decides;
 * it is read only for users whose ban has an end.
 */
export async function isActive(
  db: Db,
  user: Pick<User, 'status' | 'ban_expires_at'>,
  at?: Date,
): Promise<boolean> {
  if (user.status === 'active') return true;
  if (user.status !== 'banned' || user.ban_expires_at === null) return false;
  return user.ban_expires_at <= (at ?? (await readClock(db)));
}
