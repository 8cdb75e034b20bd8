// The scopes of an authorization request (RFC 6749, 3.3; OpenID Connect Core 1.0, 3.1.2.1): which are granted, ignored or refused, and
// which resource server they mean.
import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import { grantableOidc } from '../../core/access_tokens/grantable_scopes.ts';
import { oidcScopes } from '../../core/clients/own_scopes.ts';
import { findMeant, isOwned, listScopeOwners, type ScopeOwner } from '../../core/clients/scope_owners.ts';
import type { Deps } from '../../core/deps.ts';
import { describeRefusedScope } from '../../token/requested.ts';
import { clientRow } from './context.ts';
import { seenByRequest } from './seen.ts';

const asked = new WeakMap<object, string>();

/**
 * Keeps the parameter `scope` as the client sent it; `oidc` is the engine's context of the request. The engine drops `offline_access` from
 * a request without `prompt=consent` before it calls us.
 */
export function noteScope(oidc: object, scope: unknown): void {
  if (typeof scope === 'string') asked.set(oidc, scope);
  else asked.delete(oidc);
}

function scopesOf({ oidc }: KoaContextWithOIDC): string[] {
  return [...new Set(asked.get(oidc)?.split(' ') ?? oidc.requestParamScopes)];
}

async function findOwners({ db, config }: Deps): Promise<ScopeOwner[]> {
  return await listScopeOwners(db, seenByRequest().known?.servers, config.resource);
}

/** The resource server that a request without `resource` means by its scopes, or null. */
export async function findMeantResource(deps: Deps, ctx: KoaContextWithOIDC): Promise<string | null> {
  const ofServers = scopesOf(ctx).filter((scope) => !oidcScopes.includes(scope));
  return ofServers.length > 0 ? findMeant(await findOwners(deps), ofServers) : null;
}

/**
 * Reduces the scopes of a request to those that the client may be granted; `offered` are those of its resource servers. Other scopes
 * are ignored, as are those of the server itself that the client may not have; the token answer says what was granted. Refuses with
 * `invalid_scope` a scope of a resource server, which is a mistake in the client's registration or in its `resource`, and a request
 * of which nothing is left.
 */
export async function settleScopes(deps: Deps, ctx: KoaContextWithOIDC, offered: string[]): Promise<void> {
  const { client, params } = ctx.oidc;
  const wanted = scopesOf(ctx);
  if (!params || wanted.length === 0) return;
  const possible = new Set([...grantableOidc(clientRow(client)), ...offered]);
  const left = wanted.filter((scope) => possible.has(scope));
  const others = wanted.filter((scope) => !possible.has(scope) && !oidcScopes.includes(scope));
  const owners = others.length > 0 ? await findOwners(deps) : [];
  const refused =
    others.find((scope) => isOwned(owners, scope)) ?? (left.length === 0 ? wanted[0] : undefined);
  if (refused !== undefined) throw new errors.InvalidScope(describeRefusedScope(refused), refused);
  params.scope = left.join(' ');
}
