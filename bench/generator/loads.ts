// The loads that the generator knows: the requests of each and what their answers must be.
import type { Chain } from './drive.ts';
import { type HopLoad, hopChains } from './hop.ts';
import { type IntrospectionLoad, introspectionChains } from './introspection.ts';
import type { ReceivedTokens } from './received_tokens.ts';
import { type RefreshLoad, refreshChains } from './refresh.ts';
import { type LoginLoad, loginChains, type SessionsLoad, sessionsChains } from './sessions.ts';

export type Load = RefreshLoad | HopLoad | IntrospectionLoad | SessionsLoad | LoginLoad;

/** The chains of a load. */
export function makeChains(load: Load, received: ReceivedTokens): Chain[] {
  switch (load.kind) {
    case 'refresh':
      return refreshChains(load, received);
    case 'hop':
      return hopChains(load, received);
    case 'introspection':
      return introspectionChains(load, received);
    case 'sessions':
      return sessionsChains(load);
    case 'login':
      return loginChains(load);
  }
}
