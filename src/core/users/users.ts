// Users: who they are, what they may do, and whether they may do it now.
import type { Knex } from 'knex';
import { AppError } from '../../lib/errors.ts';
import { newId } from '../../lib/ids.ts';
import { isCurrentVersionSql } from '../clients/client_cache.ts';
import { declareColumns, isText, json, type Table } from '../store/columns.ts';
import { isUniqueViolation } from '../store/database_errors.ts';
import { type Db, isPostgres, rows } from '../store/db.ts';
import { present, readClock } from '../store/sql_time.ts';
import { statement } from '../store/statements.ts';
import { maxNameLength, nameKey } from './names.ts';

export type UserStatus = 'active' | 'banned' | 'disabled' | 'deleted';

export interface User {
  id: string;
  username: string;
  username_key: string;
  email: string | null;
  email_key: string | null;
  password_hash: string | null;
  status: UserStatus;
  /** For administrators. */
  status_reason: string | null;
  /** For the user, once they have proved who they are. */
  status_message: string | null;
  /** When a ban ends by itself; null for one without end. */
  ban_expires_at: Date | null;
  roles: string[];
  permissions: string[];
  tenant_id: string | null;
  /** Access tokens that carry a lower number are no longer good. */
  token_version: number;
  /** Sessions that carry a lower number are over. */
  session_epoch: number;
  last_login_at: Date | null;
  created_at: Date;
  updated_at: Date;
}

declare module 'knex/types/tables.js' {
  interface Tables {
    users: Table<User>;
  }
}

const userColumns = {
  ban_expires_at: 'time',
  roles: 'json',
  permissions: 'json',
  last_login_at: 'time',
  created_at: 'time',
  updated_at: 'time',
} as const;
declareColumns('users', userColumns);

export interface NewUser {
  username: string;
  email?: string | null;
  password_hash?: string | null;
  roles?: string[];
  permissions?: string[];
  tenant_id?: string | null;
}

/** Creates a user; refuses with `username_taken` or `email_taken`. Names have been checked by the schemas of `names.ts`. */
export async function createUser(db: Db, user: NewUser, at?: Date): Promise<User> {
  const row = {
    id: newId(at?.getTime()),
    username: user.username,
    username_key: nameKey(user.username),
    email: user.email ?? null,
    email_key: user.email ? nameKey(user.email) : null,
    password_hash: user.password_hash ?? null,
    status: 'active' as const,
    roles: json(user.roles ?? []),
    permissions: json(user.permissions ?? []),
    tenant_id: user.tenant_id ?? null,
    token_version: 0,
    created_at: present(db, at),
    updated_at: present(db, at),
  };
  try {
    const [created] = await db('users').insert(row).returning('*');
    return created as User;
  } catch (error) {
    throw asTaken(error);
  }
}

/**
 * The refusal that a violated index of names comes to; any other error as it is. Knex puts the statement in front of
 * the database's own words, and the statement names every column.
 */
export function asTaken(error: unknown): unknown {
  if (!isUniqueViolation(error)) return error;
  const said = (error as Error).message.split(' - ').at(-1) ?? '';
  return new AppError(said.includes('email_key') ? 'email_taken' : 'username_taken');
}

/** The user of this id, whatever its status, or null. */
export async function findUser(db: Db, id: string): Promise<User | null> {
  return (await db('users').where({ id }).first()) ?? null;
}

// By name, because they stand in prepared statements.
const columns = `u.id, u.username, u.username_key, u.email, u.email_key, u.password_hash, u.status, u.status_reason, u.status_message,
  u.ban_expires_at, u.roles, u.permissions, u.tenant_id, u.token_version, u.session_epoch, u.last_login_at,
  u.created_at, u.updated_at`;

const find = {
  username_key: findBy('user_by_username', 'username_key'),
  email_key: findBy('user_by_email', 'email_key'),
};

function findBy(name: string, column: string) {
  return statement<{ is_current_version: boolean } & (User | { id: null })>(
    name,
    () => `select ${isCurrentVersionSql} as is_current_version, ${columns} from (select 1 as one) as one
      left join users u on u.${column} = :key and u.status <> 'deleted'`,
    { ...userColumns, is_current_version: 'boolean' },
  );
}

/** The user who logs in by this name: an e-mail address when it has an `@`, a username otherwise. */
export async function findUserByLogin(db: Db, login: string): Promise<User | null> {
  return (await findUserAtVersion(db, login, 0)).user;
}

/** The same for who decides by what it remembers of the client cache: `is_current_version` when that is still at `version`. */
export async function findUserAtVersion(
  db: Db,
  login: string,
  version: number,
): Promise<{ user: User | null; is_current_version: boolean }> {
  const name = login.length <= maxNameLength ? nameKey(login) : '';
  // Nobody is called nothing.
  const key = isText(name) ? name : '';
  const [found] = await find[key.includes('@') ? 'email_key' : 'username_key'](db, { key, version });
  if (!found) throw new Error('a left join gives a row');
  const { is_current_version, ...user } = found;
  return { user: user.id === null ? null : user, is_current_version };
}

/** Changes what a user may change; refuses like {@link createUser}. */
export async function updateUser(
  db: Db,
  id: string,
  change: {
    username?: string;
    email?: string | null;
    roles?: string[];
    permissions?: string[];
    tenant_id?: string | null;
  },
): Promise<User | null> {
  const { username, email, roles, permissions, tenant_id } = change;
  const row = {
    ...(username === undefined ? {} : { username, username_key: nameKey(username) }),
    ...(email === undefined ? {} : { email, email_key: email === null ? null : nameKey(email) }),
    ...(roles === undefined ? {} : { roles: json(roles) }),
    ...(permissions === undefined ? {} : { permissions: json(permissions) }),
    ...(tenant_id === undefined ? {} : { tenant_id }),
    updated_at: present(db),
  };
  try {
    const [updated] = await db('users').where({ id }).update(row).returning('*');
    return updated ?? null;
  } catch (error) {
    throw asTaken(error);
  }
}

/** Replaces a password hash, but only the one that was read: a change in between wins, and the answer is false. */
export async function replacePasswordHash(db: Db, id: string, from: string, to: string): Promise<boolean> {
  return (await db('users').where({ id, password_hash: from }).update({ password_hash: to })) > 0;
}

/** Makes every access token that this user holds inactive; devices refresh once and go on. */
export async function raiseTokenVersion(db: Db, id: string): Promise<void> {
  await db('users').where({ id }).increment('token_version', 1);
}

/**
 * Raises the number by which all of a user's sessions live and returns it: those that have a lower one are over. The
 * caller has locked the user's row.
 */
export async function raiseSessionEpoch(tx: Knex.Transaction, id: string): Promise<number> {
  const [user] = await tx('users').where({ id }).increment('session_epoch', 1).returning('session_epoch');
  if (!user) throw new AppError('user_not_found');
  return user.session_epoch;
}

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

export interface UserSearch {
  /** The beginning of a username or an e-mail address. */
  prefix?: string | undefined;
  status?: UserStatus | undefined;
  limit: number;
  /** Behind this id. */
  after?: string | undefined;
}

/** Users in the order of their ids, which is that of their creation. */
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

/** Takes the lock on the user's row that every transaction over sessions takes first (DESIGN: lock order). */
export async function lockUser(tx: Knex.Transaction, id: string): Promise<User | null> {
  return (await tx('users').where({ id }).forUpdate().first()) ?? null;
}

/** SQL that is true for a user who may log in and use tokens; `prefix` is the table's name or alias with a dot. */
export function isActiveSql(prefix = ''): string {
  return `(${prefix}status = 'active' or (${prefix}status = 'banned' and ${prefix}ban_expires_at <= :now))`;
}

/**
 * Whether a user may log in and use tokens: active, or banned until a time that has passed. The database's clock decides,
 * and is asked for those only whose ban has an end.
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
