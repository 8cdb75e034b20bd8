// The table of the outbox: messages to somebody outside, written in the transaction that causes them. Bodies are sealed, because a
// body may hold a code or a link.
import type { Knex } from 'knex';
import { type Keyring, seal, unseal } from '../../lib/crypto.ts';
import { newId } from '../../lib/ids.ts';
import { declareColumns, json, type Table } from '../store/columns.ts';
import { type Db, isPostgres } from '../store/db.ts';
import { plusSeconds, present } from '../store/sql_time.ts';

export type MessageKind = 'mail' | 'logout_token';

/** `waiting`: due at `next_attempt_at`. `dead`: given up, kept until an operator retries or drops it, or the sweep removes it. */
export type MessageState = 'waiting' | 'dead';

export interface MessageRow {
  id: string;
  kind: MessageKind;
  /** What messages share that wait for one another: the client of a logout token, `mail` for every mail. */
  receiver: string;
  /** What the message is about: the kind of mail, or `logout`. */
  subject: string;
  state: MessageState;
  attempts: number;
  next_attempt_at: Date;
  /** When the message is of no use any more; null for never. */
  expires_at: Date | null;
  user_id: string | null;
  session_id: string | null;
  client_id: string | null;
  /** Sealed JSON, or null. */
  body: string | null;
  last_error: string | null;
  created_at: Date;
}

declare module 'knex/types/tables.js' {
  interface Tables {
    outbox: Table<MessageRow>;
  }
}

declareColumns('outbox', { next_attempt_at: 'time', expires_at: 'time', created_at: 'time' });

/** A message to enqueue. */
export interface NewMessage {
  kind: MessageKind;
  receiver: string;
  subject: string;
  user_id?: string | null;
  session_id?: string | null;
  client_id?: string | null;
  body?: object;
  expires_at?: Date | null;
  /** Seconds after which it is of no use any more, instead of `expires_at`. */
  expires_in?: number;
}

// Keyed by the settings of the database handle, which its transactions share (as in audit.ts).
const keyrings = new WeakMap<object, Keyring>();

/** Sets the keyring that seals the bodies of messages which are enqueued through `db`. */
export function setOutboxKeyring(db: Knex, keyring: Keyring): void {
  keyrings.set(db.client.config, keyring);
}

/** The keyring of {@link setOutboxKeyring}. */
export function outboxKeyring(db: Db): Keyring {
  const keyring = keyrings.get(db.client.config);
  if (!keyring) throw new Error('the outbox of this database has no keyring');
  return keyring;
}

const purpose = 'outbox';

/** Enqueues messages, in the transaction that causes them. */
export async function enqueueMessages(db: Db, messages: NewMessage[]): Promise<void> {
  const due = messages.map((message) => {
    const id = newId();
    const { kind, receiver, subject, user_id = null, session_id = null, client_id = null } = message;
    return {
      id,
      ...{ kind, receiver, subject, user_id, session_id, client_id },
      state: 'waiting' as const,
      attempts: 0,
      next_attempt_at: present(db),
      expires_at: endOf(db, message),
      body: message.body ? seal(outboxKeyring(db), purpose, json(message.body), id) : null,
      created_at: present(db),
    };
  });
  // One statement can insert 500 rows on SQLite and bind 65,535 values on Postgres.
  for (let from = 0; from < due.length; from += 100) await db('outbox').insert(due.slice(from, from + 100));
}

/** Costs what a message with this body costs, and enqueues none: the duration of a request must not tell whether there was one. */
export async function enqueueNothing(db: Db, body: object): Promise<void> {
  const id = newId();
  const sealed = seal(outboxKeyring(db), purpose, json(body), id);
  if (!isPostgres(db)) return await insertAndDelete(db, id, sealed);
  // No message has this id yet, so no row is inserted.
  await db.raw('insert into outbox (id, body) select id, cast(? as text) from outbox where id = ?', [
    sealed,
    id,
  ]);
}

// On SQLite a statement costs little and the written pages much. Nobody sees the row: the caller's transaction removes it.
async function insertAndDelete(db: Db, id: string, body: string): Promise<void> {
  const row = { kind: 'mail', receiver: 'mail', subject: 'test', state: 'waiting', attempts: 0 } as const;
  await db('outbox').insert({ id, ...row, body, next_attempt_at: present(db), created_at: present(db) });
  await db('outbox').where({ id }).delete();
}

function endOf(db: Db, { expires_at = null, expires_in }: NewMessage): Date | Knex.Raw | null {
  return expires_in === undefined ? expires_at : db.raw(plusSeconds(db, '?', '?'), [present(db), expires_in]);
}

/** The body of a message; throws a `SealError` when its secret is gone. */
export function readBody(db: Db, { id, body }: Pick<MessageRow, 'id' | 'body'>): unknown {
  return body === null ? null : JSON.parse(unseal(outboxKeyring(db), purpose, body, id));
}
