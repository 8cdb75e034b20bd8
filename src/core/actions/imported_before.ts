// Which users of an import exist already, by id or by name, and which lines contradict them.
import { listReservedKeys } from '../one_time_codes/reserved_addresses.ts';
import { isOutdated } from '../passwords/password_hash.ts';
import type { Db } from '../store/db.ts';
import { addressKey, storedAddressKeys } from '../users/names.ts';
import { isNamedSql } from '../users/users.ts';
import type { ImportedUser } from './imported_user.ts';

interface KnownUser {
  id: string;
  username_key: string | null;
  email_key: string | null;
  password_hash: string | null;
}

export interface Known {
  byId: Map<string, KnownUser>;
  byUsername: Map<string, KnownUser>;
  byEmail: Map<string, KnownUser>;
  /** Addresses that another user gave away and can still get back. */
  reserved: Set<string>;
}

/** Users who have one of these names or ids. The names of a deleted user are free, the id is not. */
export async function findKnown(places: Db[], users: ImportedUser[]): Promise<Known> {
  const ids = users.flatMap(({ id }) => id ?? []);
  const usernames = users.flatMap(({ username_key }) => username_key ?? []);
  const emails = users.flatMap(({ email_key }) => (email_key ? storedAddressKeys(email_key) : []));
  const known: Known = { byId: new Map(), byUsername: new Map(), byEmail: new Map(), reserved: new Set() };
  for (const db of places) {
    const select = () => db('users').select('id', 'username_key', 'email_key', 'password_hash');
    for (const one of await select().whereIn('id', ids)) known.byId.set(one.id, one);
    const named = select().whereIn('username_key', usernames).whereRaw(isNamedSql);
    const addressed = select().whereIn('email_key', emails).whereRaw(isNamedSql);
    for (const one of [...(await named), ...(await addressed)]) addKnown(known, one);
    for (const key of await listReservedKeys(db, emails)) known.reserved.add(key);
  }
  return known;
}

/** Adds a user who is about to be inserted. */
export function addKnown({ byId, byUsername, byEmail }: Known, user: KnownUser): void {
  if (user.id) byId.set(user.id, user);
  if (user.username_key) byUsername.set(user.username_key, user);
  if (user.email_key) byEmail.set(addressKey(user.email_key), user);
}

/** A user is present when the id or both names are the same; a user who shares only one name is another one. */
export function compareWithKnown(known: Known, user: ImportedUser): 'new' | 'present' | string {
  const sameId = user.id ? known.byId.get(user.id) : undefined;
  if (sameId) return hasSameName(sameId, user) ? 'present' : 'id_taken';
  const sameName = user.username_key === null ? undefined : known.byUsername.get(user.username_key);
  if (sameName) return isSame(sameName, user) ? 'present' : 'username_taken';
  const sameAddress = user.email_key === null ? undefined : known.byEmail.get(user.email_key);
  if (sameAddress) return user.username_key === null && isSame(sameAddress, user) ? 'present' : 'email_taken';
  return user.email_key !== null && known.reserved.has(user.email_key) ? 'email_taken' : 'new';
}

// A user without a username is known by the address.
function hasSameName(known: KnownUser, user: ImportedUser): boolean {
  if (user.username_key !== null) return known.username_key === user.username_key;
  return known.email_key !== null && addressKey(known.email_key) === user.email_key;
}

// Two lines of one name are distinguished by the hash, until the first login has replaced it by a hash of ours.
function isSame(known: KnownUser, user: ImportedUser): boolean {
  const known_key = known.email_key && addressKey(known.email_key);
  if (known_key !== user.email_key || (user.id && known.id !== user.id)) return false;
  const { password_hash } = known;
  return password_hash === user.password_hash || (password_hash !== null && !isOutdated(password_hash));
}
