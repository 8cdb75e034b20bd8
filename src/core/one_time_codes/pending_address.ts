// The address that waits for its proof: that of the newest living code of a change. It reserves nothing and is no name for a login.
import { type Db, rows } from '../store/db.ts';
import { present } from '../store/sql_time.ts';
import type { User } from '../users/users.ts';

/** The address for which a code of this user is alive; null where the user waits for none. */
export async function findPendingAddress(
  db: Db,
  { id, code_version }: Pick<User, 'id' | 'code_version'>,
): Promise<string | null> {
  const [code] = await rows<{ address: string | null }>(
    db,
    `select address from one_time_codes
     where user_id = :id and purpose = 'verify_email' and used_at is null and expires_at > :now and code_version = :code_version
     order by id desc limit 1`,
    { id, code_version, now: present(db) },
  );
  return code?.address ?? null;
}
