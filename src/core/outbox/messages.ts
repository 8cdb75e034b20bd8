// The messages as operators see them: listed, retried and dropped. No body is read here.
import type { Db } from '../store/db.ts';
import { plusSeconds, present } from '../store/sql_time.ts';
import { claim } from './claims.ts';
import type { MessageKind, MessageRow, MessageState } from './outbox.ts';

/** A message without its body: no address, code or link. */
export type Message = Omit<MessageRow, 'body'>;

const shown = [
  'id',
  'kind',
  'receiver',
  'subject',
  'state',
  'attempts',
  'next_attempt_at',
  'expires_at',
  'user_id',
  'session_id',
  'client_id',
  'last_error',
  'created_at',
] as const satisfies (keyof Message)[];

/** The most messages that are read for one page to find those of a kind. */
const searched = 5_000;

export interface MessageSearch {
  kind?: MessageKind | undefined;
  state?: MessageState | undefined;
  /** Older than the message of this id. */
  before?: string | undefined;
  limit: number;
}

export interface MessagePage {
  /** Newest first, at most `limit`; fewer, or none, where many messages of the other kind lie between. */
  messages: Message[];
  /** The search goes on before this id; null when it has read everything. */
  next: string | null;
}

/** A page of the messages, newest first. */
export async function listMessages(db: Db, search: MessageSearch): Promise<MessagePage> {
  const { kind, state, before, limit } = search;
  const most = kind ? searched : limit + 1;
  const query = db('outbox').select('id', 'kind').orderBy('id', 'desc').limit(most);
  if (state) query.where({ state });
  if (before) query.where('id', '<', before);
  const read = await query;
  const fitting = read.filter((one) => !kind || one.kind === kind).map(({ id }) => id);
  const ids = fitting.slice(0, limit);
  const messages = await db('outbox').select(shown).whereIn('id', ids).orderBy('id', 'desc');
  const last = fitting.length > limit ? ids.at(-1) : read.length === most ? read.at(-1)?.id : undefined;
  return { messages, next: last ?? null };
}

/** A message, or null. */
export async function findMessage(db: Db, id: string): Promise<Message | null> {
  return (await db('outbox').select(shown).where({ id }).first()) ?? null;
}

/**
 * Makes a message due now, a dead one with all its attempts. A waiting one that is due within a minute stays as it is: a node may be
 * delivering it at this moment, and it would be sent twice. False for a message that has expired, or that is gone.
 */
export async function retryMessage(db: Db, id: string): Promise<boolean> {
  const now = present(db);
  const isAlive = '(expires_at is null or expires_at > ?)';
  const update = await db('outbox')
    .where({ id })
    .whereRaw(isAlive, [now])
    .update({
      attempts: db.raw("case when state = 'dead' then 0 else attempts end"),
      next_attempt_at: db.raw(
        `case when state = 'dead' or next_attempt_at > ${plusSeconds(db, '?', '?')} then ? else next_attempt_at end`,
        [now, claim, now],
      ),
      state: 'waiting',
    });
  return update > 0;
}

/** Drops a message, whatever its state; false when there is none. */
export async function dropMessage(db: Db, id: string): Promise<boolean> {
  return (await db('outbox').where({ id }).delete()) > 0;
}

/** What waits and what was given up, for metrics and the doctor. */
export interface MessageCounts {
  /** At most {@link mostCounted} of each. */
  waiting: number;
  dead: number;
}

/** Where a count ends, so that it costs the same however many messages wait. */
export const mostCounted = 10_000;

/** Counts the messages by their state. */
export async function countMessages(db: Db): Promise<MessageCounts> {
  const count = async (state: MessageState) => {
    const some = db('outbox').select('id').where({ state }).limit(mostCounted).as('some');
    const [row] = await db.from(some).count({ n: '*' });
    return Number(row?.n ?? 0);
  };
  return { waiting: await count('waiting'), dead: await count('dead') };
}

/** The oldest message of a state, or null. */
export async function findOldestMessage(db: Db, state: MessageState): Promise<Message | null> {
  return (await db('outbox').select(shown).where({ state }).orderBy('id').first()) ?? null;
}
