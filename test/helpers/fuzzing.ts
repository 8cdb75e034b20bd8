// The one door to fast-check. From which seed values are made: FUZZ_SEED replays a failure, which prints its seed.
import { randomInt } from 'node:crypto';
import type { ExecutionContext } from 'ava';
import fc, { type Parameters } from 'fast-check';

const { FUZZ_SEED, SOAK } = process.env;

// Any will do.
const shortSeed = 20_261_126;

// The short form always makes the same values: it guards what was found, and must not fail a change that is not to blame.
// SOAK goes looking for more.
const seed = Number(FUZZ_SEED ?? (SOAK ? randomInt(2 ** 31) : shortSeed));

fc.configureGlobal({ seed, includeErrorInReport: true });

export { fc };

/** fast-check's parameters for so many cases, ten times as many with SOAK; the first are the `examples`. */
export function fuzzing<Values>(
  t: ExecutionContext,
  cases: number,
  examples: Values[] = [],
): Parameters<Values> {
  // A busy machine takes many times what a quiet one does.
  t.timeout(SOAK ? 3_600_000 : 600_000);
  return { numRuns: SOAK ? cases * 10 : cases, examples };
}
