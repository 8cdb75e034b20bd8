// How many cases a property is tried with, and from which seed: FUZZ_SEED replays, SOAK takes ten times as many, by chance.
import { randomInt } from 'node:crypto';
import type { ExecutionContext } from 'ava';
import type { Parameters } from 'fast-check';

/** fast-check's parameters for so many cases, of which the first are the `examples`. A failure prints the seed. */
export function fuzzing<Values>(t: ExecutionContext, cases: number, examples: Values[]): Parameters<Values> {
  const isSoak = Boolean(process.env.SOAK);
  // A busy machine takes many times what a quiet one does.
  t.timeout(isSoak ? 3_600_000 : 600_000);
  return { numRuns: isSoak ? cases * 10 : cases, seed: pickSeed(), examples, includeErrorInReport: true };
}

// Any will do.
const shortSeed = 20_261_126;

/**
 * What generated cases grow from. The short form always has the same: it guards what was found, and must not fail a change
 * that is not to blame. SOAK goes looking for more.
 */
export function pickSeed({ FUZZ_SEED, SOAK } = process.env): number {
  return Number(FUZZ_SEED ?? (SOAK ? randomInt(2 ** 31) : shortSeed));
}
