// Claiming due messages, and what becomes of each: settled, postponed or dead.
import { json } from '../store/columns.ts';
import { type Db, isPostgres, rows } from '../store/db.ts';
import { plusSeconds, present } from '../store/sql_time.ts';
import { isStandbyAway } from '../store/standby.ts';
import type { MessageKind, MessageRow } from './outbox.ts';

/** The waits between attempts double, beginning with `firstWait` seconds. */
const tries: Record<MessageKind, { most: number; firstWait: number }> = {
  // Together about half a day each.
  logout_token: { most: 13, firstWait: 5 },
  mail: { most: 8, firstWait: 340 },
};

/** The first wait of a message that expires within an hour, seconds: a mail whose code lives ten minutes is tried five times in them. */
const shortWait = 20;

/** Seconds for which a claimed message belongs to the node that delivers it. A delivery ends sooner, so that no other node repeats it. */
export const claim = 60;

export interface ClaimLimit {
  kind: MessageKind;
  /** The most messages to all receivers together. */
  all: number;
  /** The most messages to one receiver. */
  of_receiver: number;
  /** Receivers to which this node is already delivering. */
  except: string[];
}

/** A claimed message; `attempts` counts the present one. */
export type ClaimedMessage = Pick<
  MessageRow,
  | 'id'
  | 'kind'
  | 'receiver'
  | 'subject'
  | 'attempts'
  | 'user_id'
  | 'session_id'
  | 'client_id'
  | 'body'
  | 'expires_at'
  | 'last_error'
  | 'created_at'
>;

// Goes from receiver to receiver by the index and takes the messages of each that have been due longest. However many messages
// wait for a receiver, the statement reads no more of them than it takes.
const dueSql = (db: Db) => `
  with recursive waiting (receiver) as (
    select min(receiver) from outbox where kind = :kind and state = 'waiting'
    union all
    select (select min(receiver) from outbox where kind = :kind and state = 'waiting' and receiver > waiting.receiver)
    from waiting where waiting.receiver is not null
  )
  select n.id from waiting join outbox n on n.id in (
    select id from outbox where kind = :kind and state = 'waiting' and receiver = waiting.receiver and next_attempt_at <= :now
    order by next_attempt_at limit :of_receiver)
  where waiting.receiver not in (select value from ${isPostgres(db) ? 'json_array_elements_text(cast(:except as json)) as e (value)' : 'json_each(:except)'})
  order by n.next_attempt_at limit :all ${isPostgres(db) ? 'for update of n skip locked' : ''}`;

/** Claims due messages of a kind for one minute. When this node dies, they are due again after that. */
export async function claimMessages(
  db: Db,
  { kind, all, of_receiver, except }: ClaimLimit,
): Promise<ClaimedMessage[]> {
  // Asked for every second; the claim would be refused.
  if (isStandbyAway(db)) return [];
  return await rows<ClaimedMessage>(
    db,
    `update outbox set attempts = attempts + 1, next_attempt_at = ${plusSeconds(db, ':now', ':claim')}
     where state = 'waiting' and id in (${dueSql(db)})
     returning id, kind, receiver, subject, attempts, user_id, session_id, client_id, body, expires_at, last_error, created_at`,
    { now: present(db), claim, kind, all, of_receiver, except: json(except) },
    { expires_at: 'time', created_at: 'time' },
  );
}

/** Removes a message that was delivered, or that is of no use any more. */
export async function settleMessage(db: Db, id: string): Promise<void> {
  await db('outbox').where({ id }).delete();
}

/** Removes waiting messages that have expired, 500 at most, and returns them. */
export async function dropExpired(db: Db): Promise<Pick<MessageRow, 'id' | 'kind' | 'subject'>[]> {
  if (isStandbyAway(db)) return [];
  return await rows(
    db,
    `delete from outbox where id in (select id from outbox where state = 'waiting' and expires_at <= :now limit 500)
     returning id, kind, subject`,
    { now: present(db) },
  );
}

/**
 * Postpones a message that could not be delivered. True when it is dead instead: it had no attempts left, or the receiver has
 * refused it for good (`isFinal`). `error` names the reason without anything from the body.
 */
export async function postponeMessage(
  db: Db,
  message: Pick<ClaimedMessage, 'id' | 'kind' | 'attempts' | 'expires_at' | 'created_at'>,
  { error, isFinal = false }: { error: string; isFinal?: boolean },
): Promise<boolean> {
  const { id, kind, attempts } = message;
  const { most, firstWait } = tries[kind];
  const isDead = isFinal || attempts >= most;
  const wait = (isShortLived(message) ? shortWait : firstWait) * 2 ** (attempts - 1);
  const next_attempt_at = db.raw(plusSeconds(db, '?', '?'), [present(db), wait]);
  await db('outbox')
    .where({ id })
    .update({ last_error: error, ...(isDead ? { state: 'dead' as const } : { next_attempt_at }) });
  return isDead;
}

function isShortLived({
  expires_at,
  created_at,
}: Pick<ClaimedMessage, 'expires_at' | 'created_at'>): boolean {
  return expires_at !== null && expires_at.getTime() - created_at.getTime() <= 3_600_000;
}
