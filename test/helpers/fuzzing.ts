// fast-check with its seed. A failure prints the seed; FUZZ_SEED replays it.
import { randomInt } from 'node:crypto';
import type { ExecutionContext } from 'ava';
import fc, { type Parameters } from 'fast-check';

const { FUZZ_SEED, SOAK } = process.env;

// An arbitrary seed.
const shortSeed = 20_261_126;

// The short form always makes the same values, so that an unrelated change cannot fail on a new finding. SOAK draws a new seed.
const seed = Number(FUZZ_SEED ?? (SOAK ? randomInt(2 ** 31) : shortSeed));

fc.configureGlobal({ seed, includeErrorInReport: true });

export { fc };

/** fast-check's parameters for `cases` cases, ten times as many with SOAK; the `examples` come first. */
export function fuzzing<Values>(
  t: ExecutionContext,
  cases: number,
  examples: Values[] = [],
): Parameters<Values> {
  // A busy machine takes many times as long as a quiet one.
  t.timeout(SOAK ? 3_600_000 : 600_000);
  return { numRuns: SOAK ? cases * 10 : cases, examples };
}
