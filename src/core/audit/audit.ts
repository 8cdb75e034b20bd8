// The audit trail: what happened to whom, appended and never changed.
import type { Knex } from 'knex';
import type { Db } from '../store/db.ts';
import { appendEventRows, type NewEvent, toEventRow } from './audit_events.ts';

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
export function setEventClock(db: Knex, now: () => number): void {
  trailOf(db).now = now;
}

/** What time an event is given that is recorded by way of `db` now. */
export function eventTime(db: Db): Date {
  return new Date(trailOf(db).now());
}

/** Tells the listeners of events that some statement has written; `recordEvents` does it by itself. */
export function notifyListeners(db: Db, events: NewEvent[]): void {
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
  await appendEventRows(
    db,
    events.map((event) => toEventRow(event, at)),
  );
  notifyListeners(db, events);
}
