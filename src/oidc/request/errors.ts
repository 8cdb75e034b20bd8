// Our refusals as errors of the engine, so that its error handling answers them.
import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import { AppError } from '../../lib/errors.ts';
import { giveReason } from '../../token/reason.ts';
import { currentRequest } from './context.ts';

interface Answering {
  state: KoaContextWithOIDC['state'];
  set: (header: string, value: string) => void;
}

/**
 * Our refusal as an error of the engine, so that its error handling answers it; the reason goes into the request. Any other error, and
 * a fault of ours, stays as it is: the engine answers both with server_error, and engine_events.ts makes the right answer of them.
 */
export function asEngineError(ctx: Answering, refusal: unknown): unknown {
  if (!(refusal instanceof AppError) || refusal.status >= 500) return refusal;
  const { status, code, error, message, retryAfter, endedReason, members, logDetail } = refusal;
  const reason = refusal.reason ?? (code === 'rate_limited' ? code : undefined);
  if (reason) giveReason(ctx, reason);
  if (endedReason) ctx.state.endedReason = endedReason;
  if (members) ctx.state.errorMembers = members;
  if (retryAfter) ctx.set('Retry-After', String(retryAfter));
  const thrown = new errors.OIDCProviderError(status, error);
  thrown.error_description = message;
  if (logDetail) thrown.error_detail = logDetail;
  return thrown;
}

/** Awaits work that a rate limit guards; too many attempts become a 429 with `Retry-After` (RFC 6585). */
export async function asRateLimitError<Result>(guarded: Promise<Result>): Promise<Result> {
  try {
    return await guarded;
  } catch (error) {
    const isLimit = error instanceof AppError && error.code === 'rate_limited';
    throw isLimit ? asEngineError(currentRequest(), error) : error;
  }
}
