// The refresh grant at the fast entrance: for plain sessions of clients that authenticate with at most a secret.

import type { Registered } from '../core/clients/client_cache.ts';
import type { Deps } from '../core/deps.ts';
import { refundOnFault } from '../core/limits/attempts.ts';
import { type RequestSource, requestSourceOf } from '../core/request_source.ts';
import { explainMiss, refreshPlainSession } from '../core/sessions/plain_refresh.ts';
import { type DecodedRefreshToken, decodeRefreshToken, isMinted } from '../core/sessions/refresh_token.ts';
import { AppError } from '../lib/errors.ts';
import { createLru, type Lru } from '../lib/lru.ts';
import { authenticateClient, mayUse } from './client_auth.ts';
import type { FastEntrance } from './endpoint.ts';
import { findTarget } from './target.ts';
import { tokenResponse } from './token_response.ts';

/** The number of sessions remembered as needing the engine, 100 bytes each; a forgotten one costs one extra statement. */
const maxOthers = 10_000;

/** Answers refreshes that need nothing of the engine. */
export function refreshEntrance(deps: Deps): FastEntrance {
  const others = createLru<true>(maxOthers);
  return {
    parameters: ['grant_type', 'refresh_token'],
    async answer(ctx, { refresh_token }, credentials) {
      const token = refresh_token ? decodeRefreshToken(refresh_token) : null;
      if (!token || others.get(token.session_id) || !isMinted(deps.keyring, token)) return null;
      const known = await authenticateClient(deps, ctx, credentials);
      // If the client has disconnected, do not rotate: it would never receive the new token.
      if (!known || !mayUse(known.client, 'refresh_token') || !ctx.writable) return null;
      if (!(await isWithinLimit(deps, token.session_id))) return null;
      const answer = await refundOnFault(
        () => deps.limits.refresh.refund(token.session_id),
        () => refresh(deps, requestSourceOf(ctx), known, token),
      );
      if (!answer) await leave(deps, others, known, token.session_id);
      return answer;
    },
  };
}

async function refresh(
  deps: Deps,
  source: RequestSource,
  known: Registered,
  token: DecodedRefreshToken,
): Promise<object | null> {
  const { db, config, audit } = deps;
  const session = await refreshPlainSession(db, { token, known, own_resource: config.resource, source });
  if (!session) return null;
  audit.add({
    type: 'refresh_token_rotated',
    user_id: session.user_id,
    session_id: token.session_id,
    client_id: known.client.client_id,
    detail: { generation: token.generation + 1 },
    ...source,
  });
  const target = await findTarget(deps, known, session, { resources: [] });
  return await tokenResponse(deps, known, {
    ...{ session, generation: token.generation + 1, target, binding: {}, gty: undefined },
  });
}

// Beyond the limit the attempt is refunded and the engine decides: it counts again and refuses, except for a retry, which is
// not counted.
async function isWithinLimit({ limits }: Deps, session_id: string): Promise<boolean> {
  try {
    await limits.refresh.consume(session_id);
    return true;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    await limits.refresh.refund(session_id);
    return false;
  }
}

// Leaves the request to the engine: refunds the attempt, forgets the cached clients if their version is outdated, and
// remembers a session that is not plain, so that its next refresh goes to the engine at once.
async function leave(
  { db, limits, clientCache }: Deps,
  others: Lru<true>,
  { version }: Registered,
  session_id: string,
): Promise<void> {
  await limits.refresh.refund(session_id);
  const missed = await explainMiss(db, session_id, version);
  if (!missed.is_current_version) clientCache.forget(version);
  if (missed.is_plain === false) others.set(session_id, true);
}
