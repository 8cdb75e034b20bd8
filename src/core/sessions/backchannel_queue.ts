// The logout tokens that clients are owed: queued in the outbox in the transaction that ends their session, so none is lost.

import type { Knex } from 'knex';
import { enqueueMessages } from '../outbox/outbox.ts';
import { declareColumns, type Table } from '../store/columns.ts';
import { type Db, isPostgres } from '../store/db.ts';
import { present } from '../store/sql_time.ts';
import { isStandbyAway } from '../store/standby.ts';

/** A row that a node of the previous version has queued. */
interface LogoutNotice {
  id: string;
  session_id: string;
  user_id: string;
  client_id: string;
  attempts: number;
  next_attempt_at: Date;
  created_at: Date;
}

declare module 'knex/types/tables.js' {
  interface Tables {
    logout_notices: Table<LogoutNotice>;
  }
}

declareColumns('logout_notices', { next_attempt_at: 'time', created_at: 'time' });

/** SQL that is true when the client of a session wants a logout token at its end; `session` is the alias of the table, with a dot. */
export function wantsNoticeSql(session: string): string {
  return `exists (select 1 from clients c where c.client_id = ${session}client_id and c.deleted_at is null
    and c.metadata->>'backchannel_logout_uri' is not null)`;
}

/** Queues a logout token for each of these sessions, in the transaction that ends them. */
export async function enqueueBackchannelLogouts(
  db: Db,
  ended: { id: string; user_id: string; client_id: string }[],
): Promise<void> {
  await enqueueMessages(
    db,
    ended.map(({ id, user_id, client_id }) => ({
      kind: 'logout_token',
      receiver: client_id,
      subject: 'logout',
      user_id,
      session_id: id,
      client_id,
    })),
  );
}

/**
 * Moves what nodes of the previous version have queued into the outbox, 500 rows at most: those that are due, since such a node may be
 * delivering the others.
 */
export async function adoptLogoutNotices(db: Knex): Promise<void> {
  if (isStandbyAway(db) || !(await db('logout_notices').first('id'))) return;
  await db.transaction(async (tx) => {
    const query = tx('logout_notices')
      .where('next_attempt_at', '<=', present(tx))
      .orderBy('next_attempt_at')
      .limit(500);
    // SQLite knows no locks of rows: one transaction writes at a time.
    if (isPostgres(tx)) query.forUpdate().skipLocked();
    const due = await query;
    if (due.length === 0) return;
    await tx('logout_notices')
      .whereIn(
        'id',
        due.map((one) => one.id),
      )
      .delete();
    await enqueueBackchannelLogouts(
      tx,
      due.map(({ session_id, ...one }) => ({ ...one, id: session_id })),
    );
  });
}
