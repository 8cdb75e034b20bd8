// Who causes an action, as the audit trail names it.
import type { Knex } from 'knex';
import { recordEvents } from '../audit/audit.ts';
import type { Actor, NewEvent } from '../audit/audit_events.ts';
import type { RequestSource } from '../request_source.ts';

/** Who acts, and where the request came from. A command has neither an id nor a request. */
export interface Initiator {
  actor: Actor;
  actor_id?: string | null;
  source?: RequestSource;
}

/** Records an event of this initiator in the transaction of its action. */
export async function recordEventOf(
  tx: Knex.Transaction,
  { source, ...by }: Initiator,
  event: NewEvent,
): Promise<void> {
  await recordEvents(tx, [{ ...event, ...by, ...source }]);
}
