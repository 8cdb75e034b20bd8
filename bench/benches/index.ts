// The named benches, in the order in which they run.
import type { Found } from '../report.ts';
import type { Stage } from '../stage.ts';
import { benchRefresh } from './refresh.ts';
import { benchSweep } from './sweep.ts';

export interface Bench {
  /** Whether it runs when nobody names any. */
  isStandard: boolean;
  run: (stage: Stage, args: string[]) => Promise<Found>;
}

const standard = (run: Bench['run']): Bench => ({ isStandard: true, run });

export const benches: Record<string, Bench> = {
  refresh: standard(benchRefresh),
  sweep: { isStandard: false, run: benchSweep },
};
