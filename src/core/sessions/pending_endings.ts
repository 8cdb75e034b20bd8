// Endings of more than one chunk of sessions: after the commit of the decision (end_many.ts), the other chunks end in
// transactions of their own. Until the last of them, a row of `pending_endings` lets another process finish after a crash.
import type { Knex } from 'knex';
import { declareColumns, type Table } from '../store/columns.ts';
import { rows } from '../store/db.ts';
import { plusSeconds, present } from '../store/sql_time.ts';
import { lockUser } from '../users/users.ts';
import { endChunk } from './end_chunk.ts';
import type { EndCause } from './end_sessions.ts';

/** Which sessions end. */
export type SessionSet =
  /**
   * Those of a user whose number is lower than `epoch`, and logins at the pages likewise, but for `kept_browser`.
   * `forgets`: the user is deleted, and what is known of the person goes as well.
   */
  | { kind: 'user'; user_id: string; epoch: number; kept_browser: string | null; forgets: boolean }
  /** Those of a user through a client, opened until then. */
  | { kind: 'consent'; user_id: string; client_id: string; opened_until: string }
  /** Those on a device, which is removed with the last of them. */
  | { kind: 'device'; user_id: string; device_id: string }
  | { kind: 'browser'; user_id: string; browser_session: string }
  /** Those of a client, which is removed with the last of them. */
  | { kind: 'client'; client_id: string };

type Unfinished = Pick<PendingEnding, 'id' | 'which' | 'ending'>;

/** What a transaction has begun to end. */
export interface BegunEnding {
  /** How many sessions have ended. */
  ended: number;
  /** What the transaction has left to {@link finishEnding}; null when nothing. */
  pending: Unfinished | null;
}

/** A row of `pending_endings`. */
export interface PendingEnding {
  id: string;
  /** Null for an ending of more than one user's sessions. */
  user_id: string | null;
  which: SessionSet;
  ending: EndCause;
  created_at: Date;
}

declare module 'knex/types/tables.js' {
  interface Tables {
    pending_endings: Table<PendingEnding>;
  }
}

declareColumns('pending_endings', { which: 'json', ending: 'json', created_at: 'time' });

/** Ends what a committed transaction has left, chunk by chunk, and returns how many sessions have ended in all. */
export async function finishEnding(db: Knex, { ended, pending }: BegunEnding): Promise<number> {
  if (!pending) return ended;
  const { which, ending } = pending;
  let all = ended;
  for (let isDone = false; !isDone; ) {
    const step = await db.transaction(async (tx) => {
      if ('user_id' in which) await lockUser(tx, which.user_id);
      return await endChunk(tx, which, ending);
    });
    all += step.ended;
    isDone = step.isDone;
  }
  await db('pending_endings').where({ id: pending.id }).delete();
  return all;
}

/** Seconds after which an ending that is still pending counts as left behind by a process that died. */
const patience = 60;

/**
 * Finishes endings that a crash has left behind, and returns how many sessions they ended. Two processes that finish the
 * same one do no harm: each chunk is decided under the lock on the user's row.
 */
export async function finishPendingEndings(db: Knex): Promise<number> {
  const found = await rows<Unfinished>(
    db,
    `select id, which, ending from pending_endings where ${plusSeconds(db, 'created_at', ':patience')} <= :now order by id limit 100`,
    { patience, now: present(db) },
    { which: 'json', ending: 'json' },
  );
  let ended = 0;
  for (const pending of found) ended += await finishEnding(db, { ended: 0, pending });
  return ended;
}
