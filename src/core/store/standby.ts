// Waiting for a synchronous standby of Postgres, bounded (docs/decisions/009). While the standby is away, a commit that waits for
// it never returns: what waits is refused within five seconds, and holds at most half of the connections until then, so that
// rotations and introspection, which do not wait, go on.
import type { Client } from 'pg';
import { createConcurrencyGate } from '../../lib/concurrency_gate.ts';

/** `none`: commits wait for no standby. `present`: they wait, and are confirmed. `away`: they wait in vain. */
export type StandbyState = 'none' | 'present' | 'away';

/**
 * Thrown instead of waiting for a standby that is away; it is answered with 503. What had been sent before may be committed on
 * the primary all the same, and is lost only if the primary is lost before the standby returns.
 */
export class StandbyAwayError extends Error {
  override readonly name = 'StandbyAwayError';

  constructor() {
    super('the synchronous standby does not confirm');
  }
}

/** Milliseconds for which a statement waits for its turn to wait. */
const longestQueue = 5_000;

/** What is known about the standby of one pool, and which of its connections wait for it. */
export interface Standby {
  readonly state: StandbyState;
  change: (state: StandbyState) => void;
  /** The connections on which something waits that may have to be cancelled. */
  readonly held: ReadonlySet<Client>;
  /** Runs `work`, which takes a connection and waits for the standby; refuses while the standby is away. */
  admit: <Result>(work: () => Promise<Result>) => Promise<Result>;
  /** Runs `work` on a connection that waits; returns when no cancellation is on its way to the connection either. */
  hold: <Result>(connection: Client, work: () => Promise<Result>) => Promise<Result>;
  /** Notes that cancellations are on their way to the connection until `cancelled` settles. */
  cancelBy: (connection: Client, cancelled: Promise<void>) => void;
  isCancelling: (connection: Client) => boolean;
  /**
   * Throws when the standby is away. Called after a statement too: one that changed nothing has waited for nothing, although
   * what it found may be a change that the standby does not have.
   */
  requirePresent: () => void;
  /** Calls `listener` at every refusal. */
  onRefusal: (listener: () => void) => void;
}

/** Creates the standby of a pool of `size` connections. */
export function createStandby(size: number): Standby {
  const slots = createConcurrencyGate(Math.max(1, Math.floor(size / 2)));
  const held = new Set<Client>();
  const cancellations = new Map<Client, Promise<void>>();
  const listeners: (() => void)[] = [];
  let state: StandbyState = 'none';
  const refuse = () => {
    for (const listener of listeners) listener();
    return new StandbyAwayError();
  };
  const requirePresent = () => {
    if (state === 'away') throw refuse();
  };
  return {
    get state() {
      return state;
    },
    change(next) {
      state = next;
    },
    held,
    async admit(work) {
      if (state === 'none') return await work();
      const since = performance.now();
      return await slots(async () => {
        requirePresent();
        if (performance.now() - since > longestQueue) throw refuse();
        return await work();
      });
    },
    async hold(connection, work) {
      held.add(connection);
      try {
        return await work();
      } finally {
        held.delete(connection);
        await cancellations.get(connection);
      }
    },
    cancelBy(connection, cancelled) {
      cancellations.set(
        connection,
        cancelled.finally(() => cancellations.delete(connection)),
      );
    },
    isCancelling: (connection) => cancellations.has(connection),
    requirePresent,
    onRefusal: (listener) => void listeners.push(listener),
  };
}

/** Knex's client of a Postgres, or what stands for it: its configuration is the same object in all transactions. */
export interface StandbyOwner {
  config: { pool?: { max?: number | undefined } | undefined };
}

const standbys = new WeakMap<object, Standby>();

/** The standby of the pool that this client of Knex lends connections of. */
export function standbyOf({ config }: StandbyOwner): Standby {
  let standby = standbys.get(config);
  if (!standby) {
    standby = createStandby(config.pool?.max ?? 10);
    standbys.set(config, standby);
  }
  return standby;
}

/** True while no synchronous standby confirms commits, although they wait for one; false on SQLite. */
export function isStandbyAway({ client }: { client: StandbyOwner }): boolean {
  return standbyOf(client).state === 'away';
}
