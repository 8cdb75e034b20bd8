// Our refusals as errors of the engine, so that its error handling answers them.
import { errors } from 'oidc-provider';
import { AppError } from '../../lib/errors.ts';
import { giveReason } from '../../token/reason.ts';
import { currentRequest } from './context.ts';

/** Awaits work that a rate limit guards; too many attempts become a 429 with `Retry-After` (RFC 6585). */
export async function asRateLimitError<Result>(guarded: Promise<Result>): Promise<Result> {
  try {
    return await guarded;
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'rate_limited') throw error;
    const ctx = currentRequest();
    giveReason(ctx, 'rate_limited');
    if (error.retryAfter) ctx.set('Retry-After', String(error.retryAfter));
    const refusal = new errors.OIDCProviderError(error.status, error.error);
    refusal.error_description = error.message;
    throw refusal;
  }
}
