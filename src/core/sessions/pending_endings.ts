// Endings of more than one chunk of sessions. After the decision has committed (end_many.ts), the other chunks end in
// transactions of their own. Until the last one, a row of `pending_endings` lets another process finish after a crash.
import type { Knex } from 'knex';
import type { RequestSource } from '../request_source.ts';
import { declareColumns, type Table } from '../store/columns.ts';
import { rows } from '../store/db.ts';
import { plusSeconds, present } from '../store/sql_time.ts';
import { lockUser } from '../users/users.ts';
import { endChunk } from './end_chunk.ts';
import type { EndCause } from './end_sessions.ts';

/** Which sessions end. */
export type SessionSet =
  /**
   * The sessions of a user, and the logins at the pages, whose `session_epoch` is lower than `epoch`, except `kept_browser`.
   * With `forgets`, the user is being deleted and the personal data is removed as well.
   */
  | { kind: 'user'; user_id: string; epoch: number; kept_browser: string | null; forgets: boolean }
  /** The sessions of a user with a client that were opened until `opened_until`. */
  | { kind: 'consent'; user_id: string; client_id: string; opened_until: string }
  /** The sessions on a device, which is removed with the last of them. */
  | { kind: 'device'; user_id: string; device_id: string }
  /** The sessions that were opened in a browser. */
  | { kind: 'browser'; user_id: string; browser_session: string }
  /** The sessions of a client, which is removed with the last of them. */
  | { kind: 'client'; client_id: string };

interface Unfinished {
  id: string;
  which: SessionSet;
  cause: EndCause;
}

/** An ending that a transaction has begun. */
export interface BegunEnding {
  /** How many sessions have ended. */
  ended: number;
  /** The rest, for {@link finishEnding}; null when nothing is left. */
  pending: Unfinished | null;
}

/** A cause as nodes of every version read and write it: there, the source of the request is its `origin`. */
type StoredCause = Omit<EndCause, 'source'> & { origin?: RequestSource };

/** A row of `pending_endings`. */
export interface PendingEnding {
  id: string;
  /** Null for an ending of more than one user's sessions. */
  user_id: string | null;
  which: SessionSet;
  ending: StoredCause;
  created_at: Date;
}

declare module 'knex/types/tables.js' {
  interface Tables {
    pending_endings: Table<PendingEnding>;
  }
}

declareColumns('pending_endings', { which: 'json', ending: 'json', created_at: 'time' });

/** Ends the remaining chunks after the transaction has committed, and returns how many sessions have ended in total. */
export async function finishEnding(db: Knex, { ended, pending }: BegunEnding): Promise<number> {
  if (!pending) return ended;
  const { which, cause } = pending;
  let all = ended;
  for (let isDone = false; !isDone; ) {
    const step = await db.transaction(async (tx) => {
      if ('user_id' in which) await lockUser(tx, which.user_id);
      return await endChunk(tx, which, cause);
    });
    all += step.ended;
    isDone = step.isDone;
  }
  await db('pending_endings').where({ id: pending.id }).delete();
  return all;
}

/** Seconds after which a pending ending counts as abandoned by a process that died. */
const patience = 60;

/**
 * Finishes endings that a crash has left behind, and returns how many sessions they ended. Two processes that finish the
 * same one do no harm: each chunk is decided under the lock on the user's row.
 */
export async function finishPendingEndings(db: Knex): Promise<number> {
  const found = await rows<Pick<PendingEnding, 'id' | 'which' | 'ending'>>(
    db,
    `select id, which, ending from pending_endings where ${plusSeconds(db, 'created_at', ':patience')} <= :now order by id limit 100`,
    { patience, now: present(db) },
    { which: 'json', ending: 'json' },
  );
  let ended = 0;
  for (const { id, which, ending } of found) {
    ended += await finishEnding(db, { ended: 0, pending: { id, which, cause: readCause(ending) } });
  }
  return ended;
}

/** The cause as it is stored: nothing else that its caller has beside it. */
export function storedCause({ reason, actor, actor_id, source, detail }: EndCause): StoredCause {
  return {
    reason,
    actor,
    ...(actor_id === undefined ? {} : { actor_id }),
    ...(source ? { origin: source } : {}),
    ...(detail ? { detail } : {}),
  };
}

function readCause({ origin, ...cause }: StoredCause): EndCause {
  return origin ? { ...cause, source: origin } : cause;
}
