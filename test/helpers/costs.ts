// What two kinds of work cost against each other. Processor time by default, which a busy machine does not stretch; with
// SOAK the time on the clock, which is what an attacker sees.
import { createConcurrencyGate } from '../../src/lib/concurrency_gate.ts';

const { SOAK } = process.env;

/** Milliseconds of processor time of all threads of this process, those that hash passwords included; or of the clock. */
function now(): number {
  if (SOAK) return performance.now();
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** By how much the costs of like work may differ: what leaves a hash out costs a tenth. */
export const acceptedRatio = SOAK ? { from: 0.7, to: 1.4 } : { from: 0.5, to: 2 };

// What is measured at once would be counted together.
const alone = createConcurrencyGate(1);

/** The median cost of each kind, taken in turns, after one turn that does not count. */
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

/** How often each of the others is the first; on the clock the best of three tries, since others may spoil one. */
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
