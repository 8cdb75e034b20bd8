// Creating users and changing their rows. A taken name is refused by the unique index, so of two at once one wins.
import type { Knex } from 'knex';
import { AppError } from '../../lib/errors.ts';
import { newId } from '../../lib/ids.ts';
import { json, type Writable } from '../store/columns.ts';
import { isUniqueViolation } from '../store/database_errors.ts';
import type { Db } from '../store/db.ts';
import { present } from '../store/sql_time.ts';
import { addressKey, nameKey, storedAddressKeys } from './names.ts';
import { isNamedSql, type ProfileClaims, type User } from './users.ts';

export interface NewUser {
  username?: string | null;
  email?: string | null;
  /** Whether the address counts as proved; false by default. */
  email_verified?: boolean;
  password_hash?: string | null;
  claims?: ProfileClaims | null;
  roles?: string[];
  permissions?: string[];
  tenant_id?: string | null;
}

/** Creates a user; refuses with `username_taken` or `email_taken`. Names have been checked by the schemas of `names.ts`. */
export async function createUser(db: Db, user: NewUser, at?: Date): Promise<User> {
  const row = {
    id: newId(at?.getTime()),
    username: user.username ?? null,
    username_key: user.username ? nameKey(user.username) : null,
    email: user.email ?? null,
    email_key: user.email ? addressKey(user.email) : null,
    email_verified_at: user.email && user.email_verified ? present(db, at) : null,
    claims: user.claims ? json(user.claims) : null,
    password_hash: user.password_hash ?? null,
    status: 'active' as const,
    roles: json(user.roles ?? []),
    permissions: json(user.permissions ?? []),
    tenant_id: user.tenant_id ?? null,
    token_version: 0,
    created_at: present(db, at),
    updated_at: present(db, at),
  };
  if (user.email) await requireOneSpelling(db, user.email, row.id);
  try {
    const [created] = await db('users').insert(row).returning('*');
    return created as User;
  } catch (error) {
    throw nameTakenError(error);
  }
}

// The unique index knows no second spelling of a domain. Only earlier versions stored such keys, so nobody else stores one meanwhile.
async function requireOneSpelling(db: Db, email: string, id: string): Promise<void> {
  const others = storedAddressKeys(email).filter((key) => key !== addressKey(email));
  if (others.length === 0) return;
  const other = await db('users')
    .whereIn('email_key', others)
    .whereRaw(isNamedSql)
    .whereNot({ id })
    .first('id');
  if (other) throw new AppError('email_taken');
}

/**
 * Turns a violated index of names into `username_taken` or `email_taken`; returns any other error as it is. Only the last
 * part of the message is read: Knex puts the statement in front of the database's text, and it names every column.
 */
function nameTakenError(error: unknown): unknown {
  if (!isUniqueViolation(error)) return error;
  const text = (error as Error).message.split(' - ').at(-1) ?? '';
  return new AppError(text.includes('email_key') ? 'email_taken' : 'username_taken');
}

/** What may be changed of a user's row; what is absent stays. */
export interface UserChange {
  username?: string | null | undefined;
  email?: string | null | undefined;
  /** Whether the address counts as proved; of a new address false by default. */
  email_verified?: boolean | undefined;
  claims?: ProfileClaims | null | undefined;
  roles?: string[] | undefined;
  permissions?: string[] | undefined;
  tenant_id?: string | null | undefined;
}

/** Changes a user's names or rights, null when there is no such user; refuses like {@link createUser}. */
export async function updateUser(db: Db, id: string, change: UserChange): Promise<User | null> {
  const { username, email, email_verified, claims, roles, permissions, tenant_id } = change;
  const row = {
    ...(username === undefined
      ? {}
      : { username, username_key: username === null ? null : nameKey(username) }),
    ...(email === undefined ? {} : addressRow(email, db.raw('code_version + 1'))),
    ...(email === undefined && email_verified === undefined
      ? {}
      : { email_verified_at: email !== null && email_verified ? present(db) : null }),
    ...(roles === undefined ? {} : { roles: json(roles) }),
    ...(permissions === undefined ? {} : { permissions: json(permissions) }),
    ...(tenant_id === undefined ? {} : { tenant_id }),
    ...(claims === undefined ? {} : { claims: claims && json(claims) }),
    updated_at: present(db),
  };
  if (email) await requireOneSpelling(db, email, id);
  try {
    const [updated] = await db('users').where({ id }).update(row).returning('*');
    return updated ?? null;
  } catch (error) {
    throw nameTakenError(error);
  }
}

// The codes of a former address are void.
function addressRow(email: string | null, code_version: Knex.Raw): Writable<User> {
  return { email, email_key: email === null ? null : addressKey(email), code_version };
}

/** Replaces the password hash that was read; false when the hash has been changed since. */
export async function replacePasswordHash(db: Db, id: string, from: string, to: string): Promise<boolean> {
  return (await db('users').where({ id, password_hash: from }).update({ password_hash: to })) > 0;
}

/** Makes all access tokens of this user inactive; each device refreshes once and goes on. */
export async function raiseTokenVersion(db: Db, id: string): Promise<void> {
  await db('users').where({ id }).increment('token_version', 1);
}

/**
 * Raises the user's `session_epoch` and returns it: sessions with a lower one have ended. The caller has locked the user's
 * row.
 */
export async function raiseSessionEpoch(tx: Knex.Transaction, id: string): Promise<number> {
  const [user] = await tx('users').where({ id }).increment('session_epoch', 1).returning('session_epoch');
  if (!user) throw new AppError('user_not_found');
  return user.session_epoch;
}
