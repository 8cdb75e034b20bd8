// What a client is allowed, as the consent page and the account page list it: they must not differ.
import type { Granted } from '../../core/actions/consents.ts';
import { findResourceServerNames } from '../../core/clients/resource_servers.ts';
import type { Db } from '../../core/store/db.ts';
import type { ScopeView } from '../../pages/scopes.ts';

/** The scopes of each of these grants, with the names of the APIs to which they belong. */
export async function scopeViewsOf(db: Db, grants: Granted[]): Promise<ScopeView[][]> {
  const names = await findResourceServerNames(
    db,
    grants.flatMap(({ resources }) => Object.keys(resources)),
  );
  return grants.map(({ openid, resources }) => {
    const foreign = Object.entries(resources).flatMap(([identifier, scopes]) =>
      scopes.map((name) => ({ name, resourceServer: names.get(identifier) ?? identifier })),
    );
    return [...openid.map((name) => ({ name })), ...foreign];
  });
}

/** Whether these scopes say that the client keeps its access while the user is away. */
export function includesOfflineAccess(scopes: ScopeView[]): boolean {
  return scopes.some(({ name, resourceServer }) => name === 'offline_access' && resourceServer === undefined);
}
