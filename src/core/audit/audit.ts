// The audit trail: what happened to whom, appended and never changed.
import type { Knex } from 'knex';
import { firstIdOf, newId } from '../../lib/ids.ts';
import type { Log } from '../../lib/log.ts';
import { declareColumns, json, type Table } from '../store/columns.ts';
import { type Db, isPostgres } from '../store/db.ts';
import { statement } from '../store/statements.ts';

export type EventType =
  | 'session_opened'
  | 'session_ended'
  | 'client_token_issued'
  | 'client_authentication_failed'
  | 'refresh_token_rotated'
  | 'refresh_token_retried'
  | 'refresh_token_reused'
  | 'refresh_token_reuse_observed'
  | 'access_token_revoked'
  | 'login_failed'
  | 'user_created'
  | 'user_updated'
  | 'user_status_changed'
  | 'user_logged_out'
  | 'password_changed'
  | 'consent_given'
  | 'consent_withdrawn'
  | 'password_change_failed'
  | 'client_created'
  | 'client_registered'
  | 'client_updated'
  | 'client_deleted'
  | 'client_secret_added'
  | 'client_secret_removed'
  | 'resource_server_created'
  | 'resource_server_updated'
  | 'resource_server_deleted'
  | 'signing_key_rotated';

/** Who did it: the user, an administrator, a client, or the server by its own rules. */
export type Actor = 'user' | 'admin' | 'client' | 'system';

export interface NewEvent {
  type: EventType;
  user_id?: string | null;
  session_id?: string | null;
  client_id?: string | null;
  actor?: Actor;
  actor_id?: string | null;
  reason?: string | null;
  ip?: string | null;
  user_agent?: string | null;
  request_id?: string | null;
  detail?: Record<string, unknown> | null;
}

export interface AuditEvent {
  id: string;
  created_at: Date;
  type: EventType;
  user_id: string | null;
  session_id: string | null;
  client_id: string | null;
  actor: Actor | null;
  actor_id: string | null;
  reason: string | null;
  ip: string | null;
  user_agent: string | null;
  request_id: string | null;
  detail: Record<string, unknown> | null;
}

declare module 'knex/types/tables.js' {
  interface Tables {
    audit_events: Table<AuditEvent>;
  }
}

declareColumns('audit_events', { created_at: 'time', detail: 'json' });

type Listener = (event: NewEvent) => void;

/** What belongs to the trail of one server beside its rows. */
interface Trail {
  listeners: Set<Listener>;
  now: () => number;
}

// By the settings of the database handle, which every function that records an event is given: its transactions have
// the same, and no other handle has them. So several servers in one process hear of their own events alone.
const trails = new WeakMap<object, Trail>();

function trailOf(db: Db): Trail {
  const handle: object = db.client.config;
  const known = trails.get(handle) ?? { listeners: new Set(), now: () => Date.now() };
  trails.set(handle, known);
  return known;
}

/**
 * Calls `listener` with every event that is recorded by way of `db` once it is certain: after the commit, when in a
 * transaction. Returns what ends that.
 */
export function onAuditEvent(db: Knex, listener: Listener): () => void {
  const { listeners } = trailOf(db);
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Dates the events that are recorded by way of `db` by this clock, and no longer by the machine's. */
export function dateEventsBy(db: Knex, now: () => number): void {
  trailOf(db).now = now;
}

/** What time an event is given that is recorded by way of `db` now. */
export function eventTime(db: Db): Date {
  return new Date(trailOf(db).now());
}

/** Tells the listeners of events that some statement has written; `recordEvents` does it by itself. */
export function announce(db: Db, events: NewEvent[]): void {
  const { listeners } = trailOf(db);
  if (listeners.size === 0) return;
  const send = () => {
    for (const event of events) for (const listener of listeners) listener(event);
  };
  if (db.isTransaction) committed(db as Knex.Transaction).then(send, () => {});
  else send();
}

// What a transaction within another has written is certain when both are committed.
async function committed(tx: Knex.Transaction): Promise<void> {
  await tx.executionPromise;
  if (tx.parentTransaction) await committed(tx.parentTransaction);
}

/** Appends events; within a transaction they stand or fall with it. */
export async function recordEvents(db: Db, events: NewEvent[], at: Date = eventTime(db)): Promise<void> {
  if (events.length === 0) return;
  await appendRows(
    db,
    events.map((event) => toRow(event, at)),
  );
  announce(db, events);
}

/** The newest events of one session, newest first. */
export async function listSessionEvents(
  db: Db,
  session_id: string,
  type: EventType,
  limit: number,
): Promise<AuditEvent[]> {
  return await db('audit_events').where({ session_id, type }).orderBy('id', 'desc').limit(limit);
}

export interface EventSearch {
  user_id?: string | undefined;
  session_id?: string | undefined;
  client_id?: string | undefined;
  type?: string | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
  limit: number;
  /** Older than the event of this id. */
  before?: string | undefined;
}

/** Milliseconds by which the time in an event's id, a node's, may differ from its `created_at`, the database's. */
const apart = 600_000;

/** Events of the trail, newest first. */
export async function listEvents(db: Db, search: EventSearch): Promise<AuditEvent[]> {
  const { from, to, limit, before, ...equal } = search;
  const query = db('audit_events').orderBy('id', 'desc').limit(limit);
  query.where(Object.fromEntries(Object.entries(equal).filter(([, value]) => value !== undefined)));
  // The ids bound what is read, since they sort by time and have an index; the times decide.
  if (from)
    query.where('id', '>=', firstIdOf(new Date(from.getTime() - apart))).where('created_at', '>=', from);
  if (to) query.where('id', '<', firstIdOf(new Date(to.getTime() + apart))).where('created_at', '<', to);
  if (before) query.where('id', '<', before);
  return await query;
}

/** Collects events that may be written late, and writes them together. */
export interface AuditBatch {
  add: (event: NewEvent) => void;
  /** Writes what has been collected; callers who read the trail call it first. */
  flush: () => Promise<void>;
  close: () => Promise<void>;
}

interface BatchOptions {
  /** Milliseconds between writes. */
  interval?: number;
  /** How many waiting events are written before that. */
  size?: number;
  /** The most events that wait for a database that does not take them; beyond it the oldest are dropped. */
  capacity?: number;
  /** Told how many events were dropped. */
  onDropped?: (count: number) => void;
}

/**
 * A batch that is written every `interval` milliseconds or when `size` events wait. Plain rotations go this way: one
 * INSERT a request would double the writes of a refresh. A crash loses at most one interval of them; whatever matters
 * to safety is written in its own transaction instead.
 */
export function createAuditBatch(
  db: Db,
  log: Log,
  { interval = 1_000, size = 200, capacity = 10_000, onDropped = () => {} }: BatchOptions = {},
): AuditBatch {
  let waiting: ReturnType<typeof toRow>[] = [];
  let writing = Promise.resolve();
  // A database that is away for long must not take our memory; what is lost is said and counted.
  const bound = () => {
    const dropped = waiting.length - capacity;
    if (dropped <= 0) return;
    waiting = waiting.slice(dropped);
    log.error(
      { dropped, capacity },
      'audit events were dropped: the database has not taken any for too long',
    );
    onDropped(dropped);
  };
  const write = async () => {
    const taken = waiting;
    waiting = [];
    if (taken.length === 0) return;
    try {
      await appendRows(db, taken);
    } catch (error) {
      waiting = [...taken, ...waiting];
      log.error({ err: error, waiting: waiting.length }, 'audit events could not be written');
      bound();
    }
  };
  const flush = () => {
    writing = writing.then(write);
    return writing;
  };
  const timer = setInterval(flush, interval).unref();
  return {
    add(event) {
      waiting.push(toRow(event, eventTime(db)));
      announce(db, [event]);
      if (waiting.length % size === 0) void flush();
    },
    flush,
    async close() {
      clearInterval(timer);
      await flush();
    },
  };
}

// What a connection that broke had written after all is not written twice, and does not block what comes after it.
// On Postgres many rows travel as one value: a query builder's INSERT of 50 rows has 650 of them, and costs ten times that.
const appendAll = statement(
  { name: 'append_events', alone: true },
  () => `
  insert into audit_events (id, created_at, type, user_id, session_id, client_id, actor, actor_id, reason, ip, user_agent, request_id, detail)
  select id, created_at, type, user_id, session_id, client_id, actor, actor_id, reason, ip, user_agent, request_id, detail
  from json_to_recordset(cast(:events as json)) as e (id uuid, created_at timestamptz, type text, user_id uuid, session_id uuid, client_id text,
    actor text, actor_id text, reason text, ip text, user_agent text, request_id text, detail jsonb)
  on conflict (id) do nothing`,
);

async function appendRows(db: Db, waiting: ReturnType<typeof toRow>[]): Promise<void> {
  if (isPostgres(db)) await appendAll(db, { events: json(waiting) });
  else {
    for (let from = 0; from < waiting.length; from += 50)
      await db('audit_events')
        .insert(waiting.slice(from, from + 50).map(forColumns))
        .onConflict('id')
        .ignore();
  }
}

function toRow(event: NewEvent, at: Date) {
  return {
    id: newId(at.getTime()),
    created_at: at,
    type: event.type,
    user_id: event.user_id ?? null,
    session_id: event.session_id ?? null,
    client_id: event.client_id ?? null,
    actor: event.actor ?? null,
    actor_id: event.actor_id ?? null,
    reason: event.reason ?? null,
    ip: event.ip ?? null,
    user_agent: event.user_agent ?? null,
    request_id: event.request_id ?? null,
    detail: event.detail ?? null,
  };
}

function forColumns(row: ReturnType<typeof toRow>) {
  return { ...row, detail: row.detail && json(row.detail) };
}
