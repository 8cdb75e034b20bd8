// The lean path of an introspection: a JWT of a session, asked about by a client with a secret.
import type { Context } from 'koa';
import { findIntrospection } from '../core/access_tokens/introspection.ts';
import type { Services } from '../core/deps.ts';
import { describeClaims, isMeantFor } from '../oidc/endpoints/introspection.ts';
import { authenticateClient, type Credentials } from './client_auth.ts';
import type { LeanPath } from './endpoint.ts';

/** Answers introspections that need nothing special. */
export function leanIntrospection(services: Services): LeanPath {
  return {
    parameters: ['token', 'token_type_hint'],
    async answer(ctx, { token }, credentials) {
      // Public clients may not ask at all.
      if (!token || credentials.client_secret === null) return null;
      return await introspect(services, ctx, credentials, token);
    },
  };
}

async function introspect(
  services: Services,
  ctx: Context,
  credentials: Credentials,
  token: string,
): Promise<object | null> {
  const { db, verifier, registry } = services;
  const known = await authenticateClient(services, ctx, credentials);
  if (!known) return null;
  const claims = await verifier.read(token);
  const found = claims && (await findIntrospection(db, known.version, claims));
  if (found && !found.is_known) registry.forget(known.version);
  if (!claims || !found?.is_known) return null;
  return found.is_live && isMeantFor(known.client, claims) ? describeClaims(claims) : { active: false };
}
