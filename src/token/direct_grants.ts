// Our grants at the direct entrance to /token.
import { isVouchedGrant } from '../core/clients/client_rules.ts';
import type { Client } from '../core/clients/clients.ts';
import type { Deps } from '../core/deps.ts';
import type { DirectAction } from './direct_entrance.ts';
import type { Grant } from './grant.ts';
import { type ClientlessRequest, readGrantRequest } from './grant_request.ts';
import { grantTable } from './grant_table.ts';

/** The grants by their `grant_type`. */
export function directGrants(deps: Deps): ReadonlyMap<string, DirectAction> {
  const all = [...grantTable].map(
    ([name, { grant, parameters }]) => [name, directGrant(deps, name, grant, parameters)] as const,
  );
  return new Map(all);
}

function directGrant(deps: Deps, name: string, grant: Grant, parameters: readonly string[]): DirectAction {
  return {
    parameters: ['grant_type', ...parameters],
    allows: ({ client }) => mayUseGrant(client, name),
    answer: async (ctx, read, known) => {
      // Metrics count the refusals of a refresh.
      ctx.state.grantType = name;
      // One proof for all passes of a request, see `isSpent`.
      ctx.state.grantRequest ??= readGrantRequest(deps, ctx, read);
      return await grant(deps, { ...(ctx.state.grantRequest as ClientlessRequest), known });
    },
  };
}

function mayUseGrant({ registered_by, metadata }: Client, grant: string): boolean {
  return (
    (registered_by === 'admin' || !isVouchedGrant(grant)) && metadata.grant_types?.includes(grant) === true
  );
}
