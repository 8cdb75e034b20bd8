// A limit of time for work that cannot be broken off: its result no longer counts, and whatever it still does fails with the
// servers that it uses.

/** The result of `work`, or an error when it takes longer than this many milliseconds. */
export async function withTimeLimit<Result>(work: Promise<Result>, milliseconds: number): Promise<Result> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(new Error(`it took longer than ${Math.round(milliseconds / 1000)} s`));
  }, milliseconds);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}
