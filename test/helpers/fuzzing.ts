// How many cases a property is tried with, and from which seed: FUZZ_SEED replays, SOAK takes ten times as many.
import { randomInt } from 'node:crypto';
import type { ExecutionContext } from 'ava';
import type { Parameters } from 'fast-check';

/** fast-check's parameters for so many cases, of which the first are the `examples`. A failure prints the seed. */
export function fuzzing<Values>(t: ExecutionContext, cases: number, examples: Values[]): Parameters<Values> {
  const isSoak = Boolean(process.env.SOAK);
  // A busy machine takes many times what a quiet one does.
  t.timeout(isSoak ? 3_600_000 : 600_000);
  const seed = Number(process.env.FUZZ_SEED ?? randomInt(2 ** 31));
  return { numRuns: isSoak ? cases * 10 : cases, seed, examples, includeErrorInReport: true };
}
