// Batches of events that may be written late. A crash loses at most the events of one interval.
import type { Log } from '../../lib/log.ts';
import type { Db } from '../store/db.ts';
import { eventTime, notifyListeners } from './audit.ts';
import { type AuditEvent, appendEventRows, type NewEvent, toEventRow } from './audit_events.ts';

/** A batch of events. */
export interface AuditBatch {
  add: (event: NewEvent) => void;
  /** Writes the collected events; callers that read the trail call it first. */
  flush: () => Promise<void>;
  close: () => Promise<void>;
}

interface BatchOptions {
  /** Milliseconds between writes. */
  interval?: number;
  /** How many waiting events cause a write before the interval is over. */
  size?: number;
  /** The most events that wait while the database is away; beyond that the oldest are dropped. */
  capacity?: number;
  /** Called with the number of events that were dropped. */
  onDropped?: (count: number) => void;
}

/**
 * A batch that is written every `interval` milliseconds or when `size` events wait. Used for plain rotations, because an
 * INSERT for each would double the writes of a refresh. Events that matter to safety are written in the transaction of what
 * they record instead.
 */
export function createAuditBatch(
  db: Db,
  log: Log,
  { interval = 1_000, size = 200, capacity = 10_000, onDropped = () => {} }: BatchOptions = {},
): AuditBatch {
  let waiting: AuditEvent[] = [];
  let writing = Promise.resolve();
  // Bounds memory while the database is away; what is dropped is logged and counted.
  const dropOldest = () => {
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
      await appendEventRows(db, taken);
    } catch (error) {
      waiting = [...taken, ...waiting];
      log.error({ err: error, waiting: waiting.length }, 'audit events could not be written');
      dropOldest();
    }
  };
  const flush = () => {
    writing = writing.then(write);
    return writing;
  };
  const timer = setInterval(flush, interval).unref();
  return {
    add(event) {
      waiting.push(toEventRow(event, eventTime(db)));
      notifyListeners(db, [event]);
      if (waiting.length % size === 0) void flush();
    },
    flush,
    async close() {
      clearInterval(timer);
      await flush();
    },
  };
}
