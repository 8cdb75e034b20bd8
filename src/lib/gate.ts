// Lets only so many of a costly thing run at once; the others wait in the order in which they came.

/**
 * A function that runs its argument when one of `width` places is free. While others wait, those who are done go on in
 * groups of up to `group`, never more than wait: what is done after each costly thing finds the processor's caches washed
 * out, and a group pays for that once.
 */
export function createGate(width: number, group = 1): <T>(work: () => Promise<T>) => Promise<T> {
  let free = width;
  const waiting: (() => void)[] = [];
  const done: (() => void)[] = [];
  return async (work) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free += 1;
      // Where somebody still waits, somebody runs, who will come by here and let go of all.
      if (done.length < Math.min(group - 1, waiting.length)) {
        await new Promise<void>((resolve) => done.push(resolve));
      } else {
        for (const goOn of done.splice(0)) goOn();
      }
    }
  };
}
