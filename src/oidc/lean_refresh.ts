// The lean path of a refresh: a client with a name or a secret, and a plain session.
import type { Context } from 'koa';
import { refreshPlainSession } from '../core/plain_refresh.ts';
import { decodeRefreshToken, isMinted } from '../core/refresh_token.ts';
import type { Services } from '../core/services.ts';
import { AppError } from '../lib/errors.ts';
import type { LeanPath } from './lean.ts';
import { authenticateClient, type Credentials, mayUse } from './lean_client.ts';
import { tokensOf } from './lean_tokens.ts';
import { originOf } from './request.ts';

/** Answers refreshes that need nothing special. */
export function leanRefresh(services: Services): LeanPath {
  return {
    parameters: ['grant_type', 'refresh_token'],
    async answer(ctx, { refresh_token }, credentials) {
      return refresh_token ? await refresh(services, ctx, credentials, refresh_token) : null;
    },
  };
}

async function refresh(
  services: Services,
  ctx: Context,
  credentials: Credentials,
  presented: string,
): Promise<object | null> {
  const { db, keyring, config, audit } = services;
  const token = decodeRefreshToken(presented);
  if (!token || !isMinted(keyring, token)) return null;
  const known = await authenticateClient(services, ctx, credentials);
  // Whoever has hung up hears nothing, and so must not spend a token either.
  if (!known || !mayUse(known.client, 'refresh_token') || !ctx.writable) return null;
  if (!(await isWithinLimit(services, token.session_id))) return null;
  const origin = originOf(ctx);
  const session = await refreshPlainSession(db, { token, known, own_resource: config.resource, origin });
  if (!session) return await leave(services, token.session_id);
  audit.add({
    type: 'refresh_token_rotated',
    user_id: session.user_id,
    session_id: token.session_id,
    client_id: known.client.client_id,
    detail: { generation: token.generation + 1 },
    ...origin,
  });
  return tokensOf(services, known, { ...session, id: token.session_id, generation: token.generation + 1 });
}

// The engine's path counts again, and refuses what is too much; here the attempt is taken back, since a retry is free.
async function isWithinLimit({ limits }: Services, session_id: string): Promise<boolean> {
  try {
    await limits.refresh.consume(session_id);
    return true;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    await limits.refresh.forgive(session_id);
    return false;
  }
}

async function leave({ limits, registry }: Services, session_id: string): Promise<null> {
  registry.forget();
  await limits.refresh.forgive(session_id);
  return null;
}
