// Events that may be written late, collected and appended together.
import type { Log } from '../../lib/log.ts';
import type { Db } from '../store/db.ts';
import { eventTime, notifyListeners } from './audit.ts';
import { type AuditEvent, appendEventRows, type NewEvent, toEventRow } from './audit_events.ts';

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
  let waiting: AuditEvent[] = [];
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
      await appendEventRows(db, taken);
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
