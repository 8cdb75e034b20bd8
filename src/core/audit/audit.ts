// Recording events in the audit trail, and notifying listeners of them once they are certain.
import type { Knex } from 'knex';
import type { Db } from '../store/db.ts';
import { appendEventRows, type NewEvent, toEventRow } from './audit_events.ts';

type Listener = (event: NewEvent) => void;

/** Listeners and clock of the trail of one server. */
interface Trail {
  listeners: Set<Listener>;
  now: () => number;
}

// Keyed by the settings of the database handle: its transactions share them, and no other handle does. So each of several
// servers in one process receives its own events only.
const trails = new WeakMap<object, Trail>();

function trailOf(db: Db): Trail {
  const handle: object = db.client.config;
  const known = trails.get(handle) ?? { listeners: new Set(), now: () => Date.now() };
  trails.set(handle, known);
  return known;
}

/**
 * Calls `listener` with every event that is recorded through `db`, after the commit of its transaction. Returns a function
 * that removes the listener.
 */
export function onAuditEvent(db: Knex, listener: Listener): () => void {
  const { listeners } = trailOf(db);
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Sets the clock that dates the events recorded through `db`; the default is the machine's. */
export function setEventClock(db: Knex, now: () => number): void {
  trailOf(db).now = now;
}

/** The time of an event that is recorded through `db` now. */
export function eventTime(db: Db): Date {
  return new Date(trailOf(db).now());
}

/** Notifies the listeners of events that another statement has written; `recordEvents` does so itself. */
export function notifyListeners(db: Db, events: NewEvent[]): void {
  const { listeners } = trailOf(db);
  if (listeners.size === 0) return;
  const send = () => {
    for (const event of events) for (const listener of listeners) listener(event);
  };
  if (db.isTransaction) untilCommitted(db as Knex.Transaction).then(send, () => {});
  else send();
}

// The writes of a nested transaction are certain once both are committed.
async function untilCommitted(tx: Knex.Transaction): Promise<void> {
  await tx.executionPromise;
  if (tx.parentTransaction) await untilCommitted(tx.parentTransaction);
}

/** Appends events; within a transaction they are written or rolled back with it. */
export async function recordEvents(db: Db, events: NewEvent[], at: Date = eventTime(db)): Promise<void> {
  if (events.length === 0) return;
  await appendEventRows(
    db,
    events.map((event) => toEventRow(event, at)),
  );
  notifyListeners(db, events);
}
