// Users: the row, and how it is found and locked.
import type { Knex } from 'knex';
import { isCurrentVersionSql } from '../clients/client_cache.ts';
import { declareColumns, isText, type Table } from '../store/columns.ts';
import { type Db, isPostgres } from '../store/db.ts';
import { statement } from '../store/statements.ts';
import { isAddress, maxNameLength, nameKey, storedAddressKeys } from './names.ts';

export type UserStatus = 'active' | 'banned' | 'disabled' | 'deleted';

/** The members of a profile that users write themselves (OpenID Connect Core 1.0, 5.1). */
export const profileMembers = ['name', 'given_name', 'family_name', 'picture', 'locale', 'zoneinfo'] as const;

/** The members of a profile that users write themselves, and `app`, which administrators and imports write. */
export interface ProfileClaims {
  name?: string;
  given_name?: string;
  family_name?: string;
  picture?: string;
  locale?: string;
  zoneinfo?: string;
  app?: Record<string, unknown>;
}

export interface User {
  id: string;
  /** Null for a user who has an address alone. */
  username: string | null;
  username_key: string | null;
  /** Good for the login with the password; for more only once it is verified. */
  email: string | null;
  email_key: string | null;
  /** When the user proved the address, or an administrator vouched for it; null for an address that nobody has proved. */
  email_verified_at: Date | null;
  password_hash: string | null;
  status: UserStatus;
  /** For administrators. */
  status_reason: string | null;
  /** For the user, shown once they have authenticated. */
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
  /** Raised by every change of password, address, factors or status: one-time codes that carry a lower number are void. */
  code_version: number;
  /**
   * What the password is good for, where that is not everything. `replace`: for one login, which must set a new one. `recover`: for
   * nothing; the user has to recover the account.
   */
  password_use: 'replace' | 'recover' | null;
  /** The claims of the profile, at most 4 KiB. */
  claims: ProfileClaims | null;
  last_login_at: Date | null;
  created_at: Date;
  updated_at: Date;
}

declare module 'knex/types/tables.js' {
  interface Tables {
    users: Table<User>;
  }
}

/** The columns of a user's row that SQLite has no type for. */
export const userColumns = {
  ban_expires_at: 'time',
  roles: 'json',
  permissions: 'json',
  email_verified_at: 'time',
  claims: 'json',
  last_login_at: 'time',
  created_at: 'time',
  updated_at: 'time',
} as const;
declareColumns('users', userColumns);

// Listed by name, because a prepared statement with `*` fails once a column has been added.
const columns = `u.id, u.username, u.username_key, u.email, u.email_key, u.email_verified_at, u.password_hash, u.password_use, u.status, u.status_reason, u.status_message,
  u.ban_expires_at, u.roles, u.permissions, u.tenant_id, u.token_version, u.session_epoch, u.code_version,
  u.claims, u.last_login_at, u.created_at, u.updated_at`;

const findById = statement<User>(
  { name: 'user_by_id', commit: 'local' },
  () => `select ${columns} from users u where u.id = :id`,
  userColumns,
);

/** The user of this id, whatever its status, or null. */
export async function findUser(db: Db, id: string): Promise<User | null> {
  const [user] = await findById(db, { id });
  return user ?? null;
}

const findLocked = statement<User>(
  { name: 'user_by_id_locked', alone: true },
  (db) => `select ${columns} from users u where u.id = :id ${isPostgres(db) ? 'for share' : ''}`,
  userColumns,
);

/** The same, once every change of the user that is being committed is complete. */
export async function findSettledUser(db: Db, id: string): Promise<User | null> {
  const [user] = await findLocked(db, { id });
  return user ?? null;
}

const find = {
  username_key: findBy('user_by_username', 'username_key'),
  email_key: findBy('user_by_email', 'email_key'),
};

function findBy(name: string, column: string) {
  return statement<{ is_current_version: boolean } & (User | { id: null })>(
    { name, commit: 'local' },
    () => `select ${isCurrentVersionSql} as is_current_version, ${columns} from (select 1 as one) as one
      left join users u on u.${column} = :key and u.status <> 'deleted'`,
    { ...userColumns, is_current_version: 'boolean' },
  );
}

// Rows of earlier versions have the domain of an address as it was given: in Unicode, or in Punycode.
const findBySpellings = statement<{ is_current_version: boolean } & (User | { id: null })>(
  { name: 'user_by_address_spellings', commit: 'local' },
  () => `select ${isCurrentVersionSql} as is_current_version, ${columns} from (select 1 as one) as one
    left join users u on u.email_key in (:typed, :key, :ascii) and u.status <> 'deleted'
    order by case u.email_key when :typed then 0 when :key then 1 else 2 end limit 1`,
  { ...userColumns, is_current_version: 'boolean' },
);

/**
 * The user who logs in with this name: an e-mail address when it contains an `@`, a username otherwise. The address need not be
 * verified. Of two users with spellings of one address, whom an earlier version kept apart, it is the one whose spelling was typed.
 */
export async function findUserByLogin(db: Db, login: string): Promise<User | null> {
  return (await findUserAtVersion(db, login, 0)).user;
}

/** The same, and whether the client cache is still at `version` (`is_current_version`), in one statement. */
export async function findUserAtVersion(
  db: Db,
  login: string,
  version: number,
): Promise<{ user: User | null; is_current_version: boolean }> {
  // No user has an empty key.
  const name = login.length <= maxNameLength && isText(login) ? login : '';
  const found = isAddress(name)
    ? await findAddressed(db, name, version)
    : (await find.username_key(db, { key: nameKey(name), version }))[0];
  if (!found) throw new Error('a left join gives a row');
  const { is_current_version, ...user } = found;
  return { user: user.id === null ? null : user, is_current_version };
}

async function findAddressed(db: Db, address: string, version: number) {
  const [typed = '', key = typed, ascii = key] = storedAddressKeys(address);
  const [found] =
    key === typed
      ? await find.email_key(db, { key, version })
      : await findBySpellings(db, { typed, key, ascii, version });
  return found;
}

/** The user who has this address, verified or not; null for what is no address. */
export async function findUserByAddress(db: Db, address: string): Promise<User | null> {
  return isAddress(address) ? await findUserByLogin(db, address) : null;
}

/**
 * SQL that is true for users who have names, in the words of the indexes on names: SQLite uses these only for a condition that it can read,
 * so not for one with a bound value.
 */
export const isNamedSql = "status <> 'deleted'";

/** Whether a user has this name; who creates or renames one is refused by the unique index all the same. */
export async function isUsernameTaken(db: Db, username: string): Promise<boolean> {
  const username_key = nameKey(username);
  return (await db('users').where({ username_key }).whereRaw(isNamedSql).first('id')) !== undefined;
}

/**
 * Locks the user's row. Every transaction over sessions takes this lock first, before any session row: one order for all,
 * so that no two of them wait for each other.
 */
export async function lockUser(tx: Knex.Transaction, id: string): Promise<User | null> {
  return (await tx('users').where({ id }).forUpdate().first()) ?? null;
}

/** The name by which a user is addressed: the username, else the e-mail address. */
export function displayName({ username, email }: Pick<User, 'username' | 'email'>): string {
  return username ?? email ?? '';
}
