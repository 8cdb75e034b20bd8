// An address that nobody has proved goes to the user who proves it. Every way to prove one (a sign-up, an invitation, a change of the
// address) calls this function, in its own transaction.
import type { Knex } from 'knex';
import { AppError } from '../../lib/errors.ts';
import { takeRandom } from '../../lib/random.ts';
import { recordEvents } from '../audit/audit.ts';
import { isAddressReserved } from '../one_time_codes/reserved_addresses.ts';
import type { Db } from '../store/db.ts';
import { addressKey } from '../users/names.ts';
import { updateUser } from '../users/user_changes.ts';
import { findUserByAddress, isUsernameTaken, lockUser, type User } from '../users/users.ts';

export interface ProvedAddress {
  address: string;
  /** The user who has proved it; null when that user is about to be created. */
  user_id: string | null;
}

/**
 * Locks the user who proved an address and, where another user has it without proof, takes it from that user, who keeps sessions, data
 * and username, and gets a username if none is left. The caller then writes the address to the returned user, or creates one. Call it
 * before anything else is locked: the rows of both users are locked in the order of their ids. Refuses with `email_taken` when another
 * user has proved the address, or may still undo a change that gave it away.
 */
export async function takeAddress(
  tx: Knex.Transaction,
  { address, user_id }: ProvedAddress,
): Promise<User | null> {
  const found = await findUserByAddress(tx, address);
  const ids = [...new Set([user_id, found?.id ?? null])].filter((id) => id !== null).toSorted();
  const locked: (User | null)[] = [];
  for (const id of ids) locked.push(await lockUser(tx, id));
  // Read after the locks, which have waited for a change of the address that was being committed.
  if (await isAddressReserved(tx, address, user_id)) throw new AppError('email_taken');
  const key = addressKey(address);
  const holder = locked.find((user) => user?.email && addressKey(user.email) === key);
  if (holder && holder.id !== user_id) {
    if (holder.email_verified_at) throw new AppError('email_taken');
    await loseAddress(tx, holder);
  }
  return locked.find((user) => user?.id === user_id) ?? null;
}

/** The user who has proved this address, or null. */
export async function findProvedUser(db: Db, address: string): Promise<User | null> {
  const user = await findUserByAddress(db, address);
  return user?.email_verified_at ? user : null;
}

// The event does not say who took the address, nor from where: the user may read it.
async function loseAddress(tx: Knex.Transaction, { id, username }: User): Promise<void> {
  const given = username === null ? await findFreeUsername(tx) : null;
  await updateUser(tx, id, { email: null, ...(given === null ? {} : { username: given }) });
  await recordEvents(tx, [
    { type: 'email_lost', user_id: id, actor: 'system', detail: given === null ? null : { username: given } },
  ]);
}

// Looked up before, because a violated index would end the whole transaction on Postgres.
async function findFreeUsername(tx: Knex.Transaction): Promise<string> {
  for (;;) {
    const letters = [...takeRandom(8)].map((byte) => String.fromCharCode(97 + (byte % 26))).join('');
    const username = `user-${letters}`;
    if (!(await isUsernameTaken(tx, username))) return username;
  }
}
