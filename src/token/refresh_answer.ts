// The answer to a refresh: its tokens, or why the use of the token was refused.
import type { Deps } from '../core/deps.ts';
import { describeReason } from '../core/sessions/refusals.ts';
import type { Rotation } from '../core/sessions/rotation.ts';
import { payloadOf, type TokenPayload, type TokenSession } from '../core/sessions/token_session.ts';
import type { AppError } from '../lib/errors.ts';
import type { Binding } from './access_token.ts';
import { proofUsedBefore } from './binding.ts';
import type { GrantRequest } from './grant.ts';
import { refuseGrant } from './refresh_rules.ts';
import type { Target } from './target.ts';
import { tokenResponse } from './token_response.ts';

/** What was decided about a refresh before its token was used. */
export interface Decided {
  target: Target;
  binding: Binding;
}

/** Records the use of the token and answers with the tokens. */
export async function answerRefresh(
  deps: Deps,
  { known, source }: GrantRequest,
  { outcome, generation, session }: Extract<Rotation, { session: TokenSession }>,
  { target, binding }: Decided,
): Promise<object> {
  deps.audit.add({
    type: outcome === 'rotated' ? 'refresh_token_rotated' : 'refresh_token_retried',
    user_id: session.user_id,
    session_id: session.id,
    client_id: known.client.client_id,
    detail: { generation },
    ...source,
  });
  const gty = refreshedGty(payloadOf(session));
  return await tokenResponse(deps, known, { session, generation, target, binding, gty });
}

// The grant types that opaque tokens of a refresh name: that of the login and this one.
function refreshedGty({ gty }: TokenPayload): string | undefined {
  return gty && !gty.endsWith('refresh_token') ? `${gty} refresh_token` : gty;
}

type Refused = Exclude<Rotation, { session: TokenSession }>['outcome'];

const reasons: Record<Exclude<Refused, 'replayed'>, string> = {
  reused: 'token_reused',
  ended: 'session_ended',
  expired: 'session_expired',
  unknown: 'session_ended',
};

/** The refusal of a token that was neither rotated nor retried. */
export function refusalOf(outcome: Refused, endedReason: string | null = null): AppError {
  if (outcome === 'replayed') return proofUsedBefore();
  const reason = reasons[outcome];
  return refuseGrant(describeReason(reason) ?? reason, `refresh token: ${outcome}`, reason, endedReason);
}
