// The loads that the generator knows: what each asks, and what its answers must be.
import type { Chain } from './drive.ts';
import { type HopLoad, hopChains } from './hop.ts';
import { type IntrospectionLoad, introspectionChains } from './introspection.ts';
import { type RefreshLoad, refreshChains } from './refresh.ts';
import { type LoginLoad, loginChains, type SessionsLoad, sessionsChains } from './sessions.ts';

export type Load = RefreshLoad | HopLoad | IntrospectionLoad | SessionsLoad | LoginLoad;

/** What a load's chains leave behind for whoever looks at it afterwards. */
export interface Traces {
  /** The newest access token of each chain. */
  newest: Map<string, string>;
  /** Every access token that a load with `keep` was given, for a load that uses them up. */
  kept: string[];
}

/** The chains of a load. */
export function makeChains(load: Load, traces: Traces): Chain[] {
  switch (load.kind) {
    case 'refresh':
      return refreshChains(load, traces);
    case 'hop':
      return hopChains(load, traces);
    case 'introspection':
      return introspectionChains(load, traces);
    case 'sessions':
      return sessionsChains(load);
    case 'login':
      return loginChains(load);
  }
}
