// The scopes of a grant as the consent page and the account page list them. Both use this file, so that they agree.

import { findResourceServerNames } from '../../core/clients/resource_servers.ts';
import type { Db } from '../../core/store/db.ts';
import type { Granted } from '../../core/users/consents.ts';
import { noScope, type ScopeView } from '../../pages/scopes.ts';

/** The scopes of each of these grants, with the names of the resource servers that they belong to. */
export async function scopeViewsOf(db: Db, grants: Granted[]): Promise<ScopeView[][]> {
  const names = await findResourceServerNames(
    db,
    grants.flatMap(({ resources }) => Object.keys(resources)),
  );
  return grants.map(({ openid, resources }) => {
    const ofResources = Object.entries(resources).flatMap(([identifier, scopes]) =>
      (scopes.length > 0 ? scopes : [noScope]).map((name) => ({
        name,
        resourceServer: names.get(identifier) ?? identifier,
      })),
    );
    return [...openid.map((name) => ({ name })), ...ofResources];
  });
}

/** Whether the scopes include `offline_access` of OpenID Connect, not a resource server's scope of the same name. */
export function includesOfflineAccess(scopes: ScopeView[]): boolean {
  return scopes.some(({ name, resourceServer }) => name === 'offline_access' && resourceServer === undefined);
}
