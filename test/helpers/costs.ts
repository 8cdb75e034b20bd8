// Compares the costs of kinds of work: by CPU time, which a busy machine does not stretch, or with SOAK by the clock, which is
// what an attacker sees.
import { createConcurrencyGate } from '../../src/lib/concurrency_gate.ts';

const { SOAK } = process.env;

/** Milliseconds: of CPU time of all threads of this process, including those that hash passwords, or of the clock. */
function now(): number {
  if (SOAK) return performance.now();
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** The accepted ratio of the costs of equal work; work without a hash costs a tenth. */
export const acceptedRatio = SOAK ? { from: 0.7, to: 1.4 } : { from: 0.5, to: 2 };

// Concurrent measurements would count each other's work.
const alone = createConcurrencyGate(1);

/** The median cost of each kind, measured in turns after one warm-up turn. */
export async function compareCosts(works: (() => Promise<unknown>)[], rounds: number): Promise<number[]> {
  return await alone(async () => {
    const costs = works.map((): number[] => []);
    for (let round = 0; round <= rounds; round += 1) {
      for (const [i, work] of works.entries()) {
        const begin = now();
        await work();
        if (round > 0) costs[i]?.push(now() - begin);
      }
    }
    return costs.map(median);
  });
}

/** The ratio of each other cost to the first; up to three tries, since other work may disturb one. */
export async function ratiosToTheFirst(works: (() => Promise<unknown>)[], rounds: number): Promise<number[]> {
  for (let tries = 1; ; tries += 1) {
    const [first = 0, ...others] = await compareCosts(works, rounds);
    const ratios = others.map((cost) => cost / first);
    if (tries === 3 || ratios.every((ratio) => ratio > acceptedRatio.from && ratio < acceptedRatio.to))
      return ratios;
  }
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
