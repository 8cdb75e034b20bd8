// Remembers a value that is costly to read for a while.

/**
 * Returns the last value of `read` for at least `ms` milliseconds, and for `rest` times as long as reading took, so that
 * reading never takes more than a twentieth of the time. Concurrent callers share one read. Failures are not remembered.
 * `now` is the clock, in milliseconds.
 */
export function memoize<Value>(
  read: () => Promise<Value>,
  ms: number,
  rest = 20,
  now = () => performance.now(),
): () => Promise<Value> {
  let known: Promise<Value> | null = null;
  let until = 0;
  return () => {
    if (known && now() < until) return known;
    const start = now();
    until = Number.POSITIVE_INFINITY;
    known = read().then(
      (value) => {
        const took = now() - start;
        until = now() + Math.max(ms, rest * took);
        return value;
      },
      (error) => {
        known = null;
        throw error;
      },
    );
    return known;
  };
}
