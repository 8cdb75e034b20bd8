// Limits how many calls of a costly work run at once. The others wait in a fair queue: calls with the same key in their order,
// keys in turn, so that one network with many calls does not delay the others by all of its calls.
import { AppError } from './errors.ts';
import { createFairQueue } from './fair_queue.ts';

/** The requester of costly work. */
export interface Requester {
  /** Its key in the fair queue, such as its network. */
  key: string;
  /** Whether the requester can no longer receive the result. */
  isDisconnected: () => boolean;
  /** How many calls may wait. Beyond it, a call with the key that has the most waiting calls is refused. */
  capacity: number;
}

export interface ConcurrencyGate {
  /** Runs `work` when its turn comes; throws `overloaded` when too many calls wait or the requester has disconnected. */
  <T>(work: () => Promise<T>, requester?: Requester): Promise<T>;
  /** Throws `overloaded` if a call would be refused now. */
  requireRoom: (requester?: Requester) => void;
}

interface Waiting {
  requester: Requester | undefined;
  proceed: () => void;
  fail: (refusal: AppError) => void;
}

/** Seconds after which a refused requester may retry. */
const retryAfter = 2;

/**
 * A gate for `width` calls at once. While others wait, finished calls return in groups of up to `group`, and never more than
 * still wait: the code after a costly work finds cold processor caches, and a group pays for that once.
 */
export function createConcurrencyGate(width: number, group = 1): ConcurrencyGate {
  let free = width;
  const waiting = createFairQueue<Waiting>();
  const leave = createExit(group, waiting);

  function requireRoom(requester?: Requester): void {
    if (!requester) return;
    if (requester.isDisconnected()) throw refusal();
    if (free > 0 || waiting.length < requester.capacity) return;
    dropDisconnected();
    if (waiting.length >= requester.capacity && !waiting.hasLongerLineThan(requester.key)) throw refusal();
  }

  function dropDisconnected(): void {
    for (const one of waiting.remove((it) => it.requester?.isDisconnected() === true)) one.fail(refusal());
  }

  function waitForTurn(requester?: Requester): Promise<void> {
    if (requester && waiting.length >= requester.capacity) waiting.dropFromLongest()?.fail(refusal());
    return new Promise((proceed, fail) => waiting.push(requester?.key ?? '', { requester, proceed, fail }));
  }

  // Starts the next call whose requester is still connected, and refuses the disconnected ones before it.
  function startNext(): void {
    let next = waiting.shift();
    while (next?.requester?.isDisconnected()) {
      next.fail(refusal());
      next = waiting.shift();
    }
    if (next) next.proceed();
    else free += 1;
  }

  const gate = async <T>(work: () => Promise<T>, requester?: Requester): Promise<T> => {
    requireRoom(requester);
    if (free > 0) free -= 1;
    else await waitForTurn(requester);
    try {
      return await work();
    } finally {
      startNext();
      const release = leave();
      if (release) await release;
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
  return new AppError('overloaded', undefined, { retryAfter });
}
