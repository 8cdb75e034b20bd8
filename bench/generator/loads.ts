// The loads that the generator knows: the requests of each and what their answers must be.
import { type CodeFlowLoad, codeFlowChains } from './code_flow.ts';
import type { Chain } from './drive.ts';
import { type GetLoad, getChains } from './get.ts';
import { type HopLoad, hopChains } from './hop.ts';
import { type IntrospectionLoad, introspectionChains } from './introspection.ts';
import { type MachineLoad, machineChains } from './machine.ts';
import type { ReceivedTokens } from './received_tokens.ts';
import { type RefreshLoad, refreshChains } from './refresh.ts';
import {
  type LoginRevocationLoad,
  loginRevocationChains,
  type RevocationLoad,
  revocationChains,
} from './revocation.ts';
import { type LoginLoad, loginChains, type SessionsLoad, sessionsChains } from './sessions.ts';

export type Load =
  | RefreshLoad
  | HopLoad
  | IntrospectionLoad
  | SessionsLoad
  | LoginLoad
  | CodeFlowLoad
  | GetLoad
  | MachineLoad
  | RevocationLoad
  | LoginRevocationLoad;

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
    case 'code_flow':
      return codeFlowChains(load, received);
    case 'get':
      return getChains(load);
    case 'client_credentials':
      return machineChains(load, received);
    case 'revocation':
      return revocationChains(load);
    case 'login_revocation':
      return loginRevocationChains(load);
  }
}
