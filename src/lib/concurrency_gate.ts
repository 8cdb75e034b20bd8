// Lets only so many of a costly thing run at once. The others wait: those of one place in the order in which they came, the
// places in turn, so that a place which asks without end makes nobody else wait for all that it asked.
import { AppError } from './errors.ts';
import { createLines } from './waiting_lines.ts';

/** On whose behalf something costly is to be done. */
export interface Asker {
  /** Where it comes from. Places take turns. */
  place: string;
  /** Whether nobody would hear of the result any more. */
  isGone: () => boolean;
  /** How many may wait. When as many do, one of the place with the most waiting is refused. */
  capacity: number;
}

export interface ConcurrencyGate {
  /** Does `work` when its turn comes; refuses with `overloaded` when too many wait, or the asker is gone by then. */
  <T>(work: () => Promise<T>, asker?: Asker): Promise<T>;
  /** Refuses with `overloaded` what would be refused now. */
  requireRoom: (asker?: Asker) => void;
}

interface Waiting {
  asker: Asker | undefined;
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
  const waiting = createLines<Waiting>();
  const done: (() => void)[] = [];

  function requireRoom(asker?: Asker): void {
    if (!asker) return;
    if (asker.isGone()) throw refusal();
    if (free > 0 || waiting.length < asker.capacity) return;
    dropGone();
    if (waiting.length >= asker.capacity && !waiting.isCrowdedBeside(asker.place)) throw refusal();
  }

  function dropGone(): void {
    for (const one of waiting.remove((it) => it.asker?.isGone() === true)) one.giveUp(refusal());
  }

  function waitForTurn(asker?: Asker): Promise<void> {
    if (asker && waiting.length >= asker.capacity) waiting.dropFromLongest()?.giveUp(refusal());
    return new Promise((goOn, giveUp) => waiting.push(asker?.place ?? '', { asker, goOn, giveUp }));
  }

  // The next whose asker is still there; the places of those who are not are for others.
  function callNext(): void {
    let next = waiting.shift();
    while (next?.asker?.isGone()) {
      next.giveUp(refusal());
      next = waiting.shift();
    }
    if (next) next.goOn();
    else free += 1;
  }

  const gate = async <T>(work: () => Promise<T>, asker?: Asker): Promise<T> => {
    requireRoom(asker);
    if (free > 0) free -= 1;
    else await waitForTurn(asker);
    try {
      return await work();
    } finally {
      callNext();
      // Where somebody still waits, somebody runs, who will come by here and let go of all.
      if (done.length < Math.min(group - 1, waiting.length)) {
        await new Promise<void>((resolve) => done.push(resolve));
      } else {
        for (const goOn of done.splice(0)) goOn();
      }
    }
  };
  return Object.assign(gate, { requireRoom });
}

function refusal(): AppError {
  return new AppError('overloaded', undefined, { retryAfter: pause });
}
