// The loads that the generator knows: what each asks, and what its answers must be.
import type { Chain } from './drive.ts';
import { type RefreshLoad, refreshChains } from './refresh.ts';

export type Load = RefreshLoad;

/** What a load's chains leave behind for whoever looks at it afterwards. */
export interface Traces {
  /** The newest access token of each chain. */
  newest: Map<string, string>;
  /** Every access token that a load with `keep` was given, for a load that uses them up. */
  kept: string[];
}

/** The chains of a load; `tracesOf` gives the traces of another one. */
export function makeChains(load: Load, traces: Traces): Chain[] {
  return refreshChains(load, traces);
}
