// Administrators: users with the role `admin`. There is always an active one.
import type { Knex } from 'knex';
import { AppError } from '../../lib/errors.ts';
import { type Db, isPostgres, rows } from '../store/db.ts';
import { present } from '../store/sql_time.ts';
import { isActive, isActiveSql } from './active_users.ts';
import { findUser } from './users.ts';

/** SQL that is true for a user with the role `admin`. */
export function isAdminSql(db: Db): string {
  if (isPostgres(db)) return `roles @> '["admin"]'`;
  // The first half is what the index knows.
  return `(roles like '%"admin"%' and exists (select 1 from json_each(users.roles) where json_each.value = 'admin'))`;
}

/**
 * Refuses with `last_admin` when without this user nobody could administrate. Locks all administrators, in the order
 * of their ids, so that two of them who remove each other at once do not both succeed.
 */
export async function requireAnotherAdmin(tx: Knex.Transaction, id: string): Promise<void> {
  const admins = await rows<{ id: string; is_active: boolean }>(
    tx,
    // The list first, by its indexes; what stands outside is asked again of a row that was waited for.
    `select id, ${isActiveSql()} as is_active from users
     where id in (select cast(:id as ${isPostgres(tx) ? 'uuid' : 'text'}) union select id from users where ${isAdminSql(tx)})
       and (id = :id or (${isAdminSql(tx)} and status <> 'deleted'))
     order by id ${isPostgres(tx) ? 'for update' : ''}`,
    { id, now: present(tx) },
    { is_active: 'boolean' },
  );
  const user = await findUser(tx, id);
  if (!user?.roles.includes('admin') || !(await isActive(tx, user))) return;
  if (!admins.some((admin) => admin.is_active && admin.id !== id)) throw new AppError('last_admin');
}
