// Who causes an action, as the audit trail names it.
import type { Knex } from 'knex';
import { AppError } from '../../lib/errors.ts';
import { recordEvents } from '../audit/audit.ts';
import type { Actor, NewEvent } from '../audit/audit_events.ts';
import { findClient } from '../clients/clients.ts';
import type { RequestSource } from '../request_source.ts';
import { type Authority, requireAuthorityOver, requireAuthorityOverClient } from '../users/authority.ts';
import { lockUser, type User } from '../users/users.ts';

/** Who acts, and where the request came from. A command has neither an id nor a request. */
export interface Initiator {
  actor: Actor;
  actor_id?: string | null;
  source?: RequestSource;
  /** What an administrator or client may do; absent for a command, and for users who act on themselves. */
  authority?: Authority;
}

/** Records an event of this initiator in the transaction of its action. */
export async function recordEventOf(
  tx: Knex.Transaction,
  initiator: Initiator,
  event: NewEvent,
): Promise<void> {
  await recordEventsOf(tx, initiator, [event]);
}

/** Records several events of this initiator. */
export async function recordEventsOf(
  tx: Knex.Transaction,
  { source, actor, actor_id = null }: Initiator,
  events: NewEvent[],
): Promise<void> {
  await recordEvents(
    tx,
    events.map((event) => ({ ...event, actor, actor_id, ...source })),
  );
}

/** Refuses with `right_missing` to act on a client that holds a right which the initiator lacks. */
export async function requireClientAuthority(
  tx: Knex.Transaction,
  { authority }: Initiator,
  client_id: string,
): Promise<void> {
  const client = authority && (await findClient(tx, client_id));
  if (client) requireAuthorityOverClient(authority, client);
}

/**
 * Locks the user whose password or lockout an administrator changes. Refuses with `user_not_found`, with `not_yourself`, so that a stolen
 * session needs the password of its own user for these, with `right_missing` and with `insufficient_user_authentication`.
 */
export async function lockTarget(
  tx: Knex.Transaction,
  id: string,
  { actor, actor_id, authority }: Initiator,
): Promise<User> {
  const user = await lockUser(tx, id);
  if (!user || user.status === 'deleted') throw new AppError('user_not_found');
  if (actor === 'admin' && actor_id === id) throw new AppError('not_yourself');
  requireAuthorityOver(authority, user);
  return user;
}
