// Batches of events that may be written late. A crash loses at most the events of one interval.
import type { Log } from '../../lib/log.ts';
import type { Db } from '../store/db.ts';
import { eventTime, notifyListeners } from './audit.ts';
import { type AuditEvent, appendEventRows, type NewEvent, toEventRow } from './audit_events.ts';

/** A batch of events. */
export interface AuditBatch {
  add: (event: NewEvent) => void;
  /** Writes the collected events; callers that read the trail or the rotations of a session call it first. */
  flush: () => Promise<void>;
  close: () => Promise<void>;
}

/** Where the events of rotations go. */
export interface RotationStore {
  /** Writes rotations that belong to a session and name their `generation`. May be given the same ones again. */
  write: (db: Db, rotations: AuditEvent[]) => Promise<void>;
  /** Whether the trail has them as well. */
  inTrail: boolean;
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
  /** Where rotations go; the trail when absent. */
  rotations?: RotationStore;
}

/**
 * A batch that is written every `interval` milliseconds or when `size` events wait. Used for rotations, because an
 * INSERT for each would double the writes of a refresh. Events that matter to safety are written in the transaction of what
 * they record instead.
 */
export function createAuditBatch(
  db: Db,
  log: Log,
  { interval = 1_000, rotations, ...options }: BatchOptions = {},
): AuditBatch {
  const trail = createQueue(log, (events) => appendEventRows(db, events), options);
  const ring = rotations && createQueue(log, (events) => rotations.write(db, events), options);
  const flush = async () => {
    await Promise.all([trail.flush(), ring?.flush()]);
  };
  const timer = setInterval(flush, interval).unref();
  return {
    add(event) {
      const row = toEventRow(event, eventTime(db));
      const isForRing = ring !== undefined && isRotationOfSession(row);
      if (isForRing) ring.add(row);
      if (!isForRing || rotations?.inTrail) trail.add(row);
      notifyListeners(db, [event]);
    },
    flush,
    async close() {
      clearInterval(timer);
      await flush();
    },
  };
}

function isRotationOfSession({ type, session_id, detail }: AuditEvent): boolean {
  return type === 'refresh_token_rotated' && session_id !== null && typeof detail?.generation === 'number';
}

interface Queue {
  add: (event: AuditEvent) => void;
  flush: () => Promise<void>;
}

// Events that wait for one kind of write. A failed write is repeated with the next ones.
function createQueue(
  log: Log,
  write: (events: AuditEvent[]) => Promise<void>,
  { size = 200, capacity = 10_000, onDropped = () => {} }: BatchOptions,
): Queue {
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
  const writeWaiting = async () => {
    const taken = waiting;
    waiting = [];
    if (taken.length === 0) return;
    try {
      await write(taken);
    } catch (error) {
      waiting = [...taken, ...waiting];
      log.error({ err: error, waiting: waiting.length }, 'audit events could not be written');
      dropOldest();
    }
  };
  const flush = () => {
    writing = writing.then(writeWaiting);
    return writing;
  };
  return {
    add(event) {
      waiting.push(event);
      if (waiting.length % size === 0) void flush();
    },
    flush,
  };
}
