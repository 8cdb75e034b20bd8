// Lets only so many of a costly thing run at once. The others wait: those of one place in the order in which they came, the
// places in turn, so that a place which asks without end makes nobody else wait for all that it asked.
import { AppError } from './errors.ts';
import { createFairQueue } from './fair_queue.ts';

/** On whose behalf something costly is to be done. */
export interface Requester {
  /** Where it comes from. Places take turns. */
  key: string;
  /** Whether nobody would hear of the result any more. */
  isDisconnected: () => boolean;
  /** How many may wait. When as many do, one of the place with the most waiting is refused. */
  capacity: number;
}

export interface ConcurrencyGate {
  /** Does `work` when its turn comes; refuses with `overloaded` when too many wait, or the asker is gone by then. */
  <T>(work: () => Promise<T>, asker?: Requester): Promise<T>;
  /** Refuses with `overloaded` what would be refused now. */
  requireRoom: (asker?: Requester) => void;
}

interface Waiting {
  asker: Requester | undefined;
  goOn: () => void;
  giveUp: (refusal: AppError) => void;
}

/** Seconds after which a refused asker may come again. */
const pause = 2;

/**
 * A gate for `width` at once. While others wait, those who are done go on in groups of up to `group`, never more than wait:
 * what is done after each costly thing finds the processor's caches washed out, and a group pays for that once.
 */
export function createConcurrencyGate(width: number, group = 1): ConcurrencyGate {
  let free = width;
  const waiting = createFairQueue<Waiting>();
  const leave = createExit(group, waiting);

  function requireRoom(asker?: Requester): void {
    if (!asker) return;
    if (asker.isDisconnected()) throw refusal();
    if (free > 0 || waiting.length < asker.capacity) return;
    dropGone();
    if (waiting.length >= asker.capacity && !waiting.hasLongerLineThan(asker.key)) throw refusal();
  }

  function dropGone(): void {
    for (const one of waiting.remove((it) => it.asker?.isDisconnected() === true)) one.giveUp(refusal());
  }

  function waitForTurn(asker?: Requester): Promise<void> {
    if (asker && waiting.length >= asker.capacity) waiting.dropFromLongest()?.giveUp(refusal());
    return new Promise((goOn, giveUp) => waiting.push(asker?.key ?? '', { asker, goOn, giveUp }));
  }

  // The next whose asker is still there; the places of those who are not are for others.
  function callNext(): void {
    let next = waiting.shift();
    while (next?.asker?.isDisconnected()) {
      next.giveUp(refusal());
      next = waiting.shift();
    }
    if (next) next.goOn();
    else free += 1;
  }

  const gate = async <T>(work: () => Promise<T>, asker?: Requester): Promise<T> => {
    requireRoom(asker);
    if (free > 0) free -= 1;
    else await waitForTurn(asker);
    try {
      return await work();
    } finally {
      callNext();
      await leave();
    }
  };
  return Object.assign(gate, { requireRoom });
}

// Holds finished callers until `group` of them can leave together; never more than still wait, because each of those that
// wait will finish too and then releases all that are held.
function createExit(group: number, waiting: { readonly length: number }): () => Promise<void> | undefined {
  const held: (() => void)[] = [];
  return () => {
    if (held.length < Math.min(group - 1, waiting.length))
      return new Promise((resolve) => held.push(resolve));
    for (const release of held.splice(0)) release();
    return undefined;
  };
}

function refusal(): AppError {
  return new AppError('overloaded', undefined, { retryAfter: pause });
}
