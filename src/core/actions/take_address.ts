// An address that nobody has proved goes to the user who proves it. Every way to prove one (a sign-up, an invitation, a change of the
// address) calls this function, in its own transaction.
import type { Knex } from 'knex';
import { AppError } from '../../lib/errors.ts';
import { takeRandom } from '../../lib/random.ts';
import { recordEvents } from '../audit/audit.ts';
import { present } from '../store/sql_time.ts';
import { nameKey } from '../users/names.ts';
import { updateUser } from '../users/user_changes.ts';
import { lockUser, type User } from '../users/users.ts';

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
  const email_key = nameKey(address);
  const found = await tx('users').where({ email_key }).first('id');
  const ids = [...new Set([user_id, found?.id ?? null])].filter((id) => id !== null).toSorted();
  const locked: (User | null)[] = [];
  for (const id of ids) locked.push(await lockUser(tx, id));
  const holder = locked.find((user) => user?.email_key === email_key);
  if (await isReserved(tx, email_key, user_id)) throw new AppError('email_taken');
  if (holder && holder.id !== user_id) {
    if (holder.email_verified_at) throw new AppError('email_taken');
    await loseAddress(tx, holder);
  }
  return locked.find((user) => user?.id === user_id) ?? null;
}

/** Whether an address belongs to a user who has proved it, or is reserved for one who can undo a change: nobody else may have it. */
export async function isAddressTaken(db: Knex | Knex.Transaction, address: string): Promise<boolean> {
  const email_key = nameKey(address);
  const holder = await db('users').where({ email_key }).whereNotNull('email_verified_at').first('id');
  return holder !== undefined || (await isReserved(db, email_key, null));
}

// While the link of a changed address can undo the change, the former address stays reserved for its user.
async function isReserved(
  db: Knex | Knex.Transaction,
  address_key: string,
  user_id: string | null,
): Promise<boolean> {
  const codes = db('one_time_codes')
    .where({ purpose: 'undo_email', address_key })
    .whereNull('used_at')
    .where('expires_at', '>', present(db));
  if (user_id !== null) codes.whereNot({ user_id });
  return (await codes.first('id')) !== undefined;
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
    if (
      !(await tx('users')
        .where({ username_key: nameKey(username) })
        .first('id'))
    )
      return username;
  }
}
