// The list of users that administrators search.
import type { Db } from '../store/db.ts';
import { nameKey } from './names.ts';
import type { User, UserStatus } from './users.ts';

export interface UserSearch {
  /** The beginning of a username or e-mail address. */
  prefix?: string | undefined;
  status?: UserStatus | undefined;
  limit: number;
  /** List users after this id. */
  after?: string | undefined;
}

/** Users in the order of their ids, which is the order of their creation. */
export async function listUsers(db: Db, { prefix, status, limit, after }: UserSearch): Promise<User[]> {
  const query = db('users').orderBy('id').limit(limit);
  if (status) query.where({ status });
  if (after) query.where('id', '>', after);
  if (prefix) {
    const pattern = `${nameKey(prefix).replace(/[\\%_]/g, '\\$&')}%`;
    query.whereRaw("(username_key like ? escape '\\' or email_key like ? escape '\\')", [pattern, pattern]);
  }
  return await query;
}
