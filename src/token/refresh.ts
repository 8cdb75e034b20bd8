// The refresh grant (RFC 6749, 6), for every kind of session. A request without scope, resource and proof rotates by one statement
// for most sessions. Any other one, and a token that this statement refuses, is decided with the session at hand.
import type { Registered } from '../core/clients/client_cache.ts';
import { retryWindowOf } from '../core/clients/clients.ts';
import type { Deps } from '../core/deps.ts';
import { refundOnFault } from '../core/limits/attempts.ts';
import { findEndedReason } from '../core/sessions/ended_reason.ts';
import type { PresentedSession } from '../core/sessions/presented_session.ts';
import {
  type DecodedRefreshToken,
  decodeRefreshToken,
  isMinted,
  verifyProof,
} from '../core/sessions/refresh_token.ts';
import { rotatesAtOnce, rotateUnbound } from '../core/sessions/rotating_update.ts';
import { type Caller, type Presented, useRefreshToken } from '../core/sessions/rotation.ts';
import { AppError } from '../lib/errors.ts';
import { demandsOf } from './binding.ts';
import { jtiTtl } from './dpop.ts';
import { type Grant, type GrantRequest, OutdatedClient } from './grant.ts';
import { answerRefresh, type Decided, refusalOf } from './refresh_answer.ts';
import {
  requireCertificate,
  requireKey,
  requireLiveSession,
  requireScope,
  requireTokenBinding,
  unknownToken,
} from './refresh_rules.ts';
import { findTarget } from './target.ts';

/** The parameters that the grant reads; only `resource` may be sent more than once. */
export const refreshParameters = ['refresh_token', 'scope', 'resource'];

/** Answers a refresh. Everything that can refuse it for another reason is checked before the token rotates. */
export const refresh: Grant = async (deps, request) => {
  const { refresh_token } = request.form;
  if (refresh_token === undefined)
    throw new AppError('invalid_request', "missing required parameter 'refresh_token'");
  const token = decodeRefreshToken(refresh_token);
  // A forged token fails the check of its tag and never reaches the sessions. No statement has compared the version of the
  // client cache by then, so the refusal is not decided.
  if (!token || !isMinted(deps.keyring, token)) throw unknownToken({ isDecided: false });
  return (await refreshAtOnce(deps, request, token)) ?? (await refreshWithSession(deps, request, token));
};

// Null when the token did not rotate.
async function refreshAtOnce(
  deps: Deps,
  request: GrantRequest,
  token: DecodedRefreshToken,
): Promise<object | null> {
  const { db, config, limits } = deps;
  const { known, form, resources, proof, source } = request;
  const key = limitKey(request, token);
  const demands = demandsOf(deps, request);
  const isPlain = form.scope === undefined && resources.length === 0 && !proof;
  if (!isPlain || demands.proof || demands.certificate || !rotatesAtOnce(db)) return null;
  const { session_id, generation } = token;
  if (request.isGone() || !(await isWithinLimit(deps, key))) return null;
  const refund = () => limits.refresh.refund(...key);
  const session = await refundOnFault(refund, () =>
    rotateUnbound(db, {
      ...{ token, session_id, generation, version: known.version, source },
      client_id: known.client.client_id,
      resources: identifiersOf(known, config.resource),
    }),
  );
  if (!session) {
    await refund();
    return null;
  }
  const target = await findTarget(deps, known, session, { resources: [] });
  const rotation = { outcome: 'rotated', generation: generation + 1, session } as const;
  return await answerRefresh(deps, request, rotation, { target, binding: {} });
}

// The client is a part of the key: an attempt counts before a statement has compared the session's client, and another client that has
// got hold of an old token must not keep the session from its own client's refreshes.
function limitKey({ known }: GrantRequest, { session_id }: DecodedRefreshToken): string[] {
  return [session_id, known.client.client_id];
}

// Beyond the limit a retry is still answered, so the session is read before anything is refused.
async function isWithinLimit({ limits }: Deps, key: string[]): Promise<boolean> {
  try {
    await limits.refresh.consume(...key);
    return true;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    await limits.refresh.refund(...key);
    return false;
  }
}

const identifiers = new WeakMap<object, string[]>();

// Our own API need not be registered.
function identifiersOf({ servers }: Registered, own: string): string[] {
  const known = identifiers.get(servers) ?? [...new Set([own, ...servers.keys()])];
  identifiers.set(servers, known);
  return known;
}

async function refreshWithSession(
  deps: Deps,
  request: GrantRequest,
  token: DecodedRefreshToken,
): Promise<object> {
  let decided: Decided | undefined;
  const caller: Caller = {
    check: async (session) => {
      decided = await decide(deps, request, token, session);
      requireConnected(request);
    },
    attempt: (rotate) => countRotation(deps, limitKey(request, token), request, rotate),
  };
  const rotation = await useRefreshToken(deps.db, presentedBy(deps, request, token), caller);
  if (!('session' in rotation)) {
    // The session has ended since the check.
    const isEnded = rotation.outcome === 'ended';
    throw refusalOf(rotation.outcome, isEnded ? await findEndedReason(deps.db, token.session_id) : null);
  }
  if (!decided) throw new Error('a refresh token was used without a check');
  return await answerRefresh(deps, request, rotation, decided);
}

async function decide(
  deps: Deps,
  request: GrantRequest,
  token: DecodedRefreshToken,
  session: PresentedSession | null,
): Promise<Decided> {
  const { known, form, resources } = request;
  // Without a session no row has compared the version.
  if (!session) throw unknownToken({ isDecided: false });
  if (!session.is_current_version) throw new OutdatedClient();
  if (!verifyProof(token, session.salt)) throw unknownToken();
  await requireLiveSession(deps, session, known.client.client_id);
  const thumbprint = requireCertificate(deps, request, session);
  await requireScope(deps, request, session);
  requireKey(request, session);
  const target = await findTarget(deps, known, session, { scope: form.scope, resources });
  return { target, binding: requireTokenBinding(request, session, thumbprint) };
}

// An app that gives up on a slow node retries at another node and continues with its answer. When the slow node processes the
// first request, its token looks reused. The client has disconnected and cannot receive an answer, so nothing is rotated and no
// session is ended.
function requireConnected({ isGone }: GrantRequest): void {
  if (isGone()) throw new AppError('invalid_request', 'The client has disconnected.', { isDecided: true });
}

// Rotations are limited, retries are not.
async function countRotation<Result>(
  { limits }: Deps,
  key: string[],
  request: GrantRequest,
  rotate: () => Promise<Result | 'replayed' | null>,
): Promise<Result | 'replayed' | null> {
  const refund = () => limits.refresh.refund(...key);
  await limits.refresh.consume(...key);
  const rotated = await refundOnFault(refund, async () => {
    requireConnected(request);
    return await rotate();
  });
  if (rotated === null || rotated === 'replayed') await refund();
  return rotated;
}

function presentedBy({ config }: Deps, request: GrantRequest, token: DecodedRefreshToken): Presented {
  const { known, proof, source } = request;
  const { client, version } = known;
  const { session_id, generation } = token;
  return {
    ...{ session_id, generation, version, source },
    proof: proof && { owner: client.client_id, ttl: jtiTtl, proof },
    retry_window: retryWindowOf(client),
    observe: client.rotation_profile === 'observe',
    // Only for clients that an administrator made: others could make their users' tokens at other clients inactive at will.
    raise_token_version: config.reuseRaisesTokenVersion && client.registered_by === 'admin',
  };
}
