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
  // The first condition is served by the index, the second one decides.
  return `(roles like '%"admin"%' and exists (select 1 from json_each(users.roles) where json_each.value = 'admin'))`;
}

/**
 * Refuses with `last_admin` when this user is the only active administrator. Locks all administrators in the order of
 * their ids, so that of two who remove each other at the same time only one succeeds.
 */
export async function requireAnotherAdmin(tx: Knex.Transaction, id: string): Promise<void> {
  const admins = await rows<{ id: string; is_active: boolean }>(
    tx,
    // The inner query finds the rows by their indexes; the outer condition is checked again on a row that was waited for.
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
