// Introspection at the fast entrance: a client with a secret asks about the JWT of a session.
import type { Context } from 'koa';
import { describeClaims, findIntrospection, isMeantFor } from '../core/access_tokens/introspection.ts';
import type { Deps } from '../core/deps.ts';
import { authenticateClient, type Credentials } from './client_auth.ts';
import type { FastEntrance } from './endpoint.ts';

/** Answers introspections that need nothing of the engine. */
export function introspectionEntrance(deps: Deps): FastEntrance {
  return {
    parameters: ['token', 'token_type_hint'],
    async answer(ctx, { token }, credentials) {
      // Public clients may not introspect.
      if (!token || credentials.client_secret === null) return null;
      return await introspect(deps, ctx, credentials, token);
    },
  };
}

async function introspect(
  deps: Deps,
  ctx: Context,
  credentials: Credentials,
  token: string,
): Promise<object | null> {
  const { db, verifier, clientCache } = deps;
  const known = await authenticateClient(deps, ctx, credentials);
  if (!known) return null;
  const claims = await verifier.read(token);
  const found = claims && (await findIntrospection(db, known.version, claims));
  if (found && !found.is_current_version) clientCache.forget(known.version);
  if (!claims || !found?.is_current_version) return null;
  return found.is_live && isMeantFor(known.client, claims) ? describeClaims(claims) : { active: false };
}
