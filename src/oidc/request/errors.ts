// Our refusals in the engine's words, so that its error handling answers them.
import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import type { Deps } from '../../core/deps.ts';
import { isUnavailable, unavailable } from '../../core/store/database_errors.ts';
import { AppError } from '../../lib/errors.ts';
import { countClientFailure } from '../../token/client_failures.ts';
import { giveReason } from '../../token/reason.ts';
import { currentRequest } from './context.ts';
import { describeRefusal } from './error_descriptions.ts';

/** Awaits what a rate limit guards; too many attempts become a 429 with `Retry-After` (RFC 6585). */
export async function limited<Result>(guarded: Promise<Result>): Promise<Result> {
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

/** `invalid_grant` with a machine word for whoever proved to know the password or hold the token. */
export function invalidGrant(detail: string, reason?: string, message?: string | null): Error {
  if (reason) giveReason(currentRequest(), reason, message);
  return new errors.InvalidGrant(detail);
}

/** What the engine refused, for the answer's description and for the log, which also hears the detail. */
export function noteRefusal(ctx: KoaContextWithOIDC, err: Error): void {
  const { error, error_description, error_detail } = err as Partial<errors.OIDCProviderError>;
  const description = describeRefusal(ctx, err);
  if (description) ctx.state.description ??= description;
  ctx.state.refusal = { error, description: description ?? error_description, detail: error_detail };
}

/**
 * What the engine could not answer. It says server_error to all of it; what the database is to blame for is noted, and so
 * is that too much waits for the processor: both become a 503 on the way out (http/middleware/errors.ts).
 */
export function noteFailure({ log }: Deps, ctx: KoaContextWithOIDC, err: Error): void {
  const about = { err, request_id: ctx.state.requestId };
  if (err instanceof AppError && err.code === 'overloaded') ctx.state.unavailable = err;
  else if (isUnavailable(err)) {
    ctx.state.unavailable = unavailable(err);
    log.warn(about, 'the database is not available');
  } else log.error(about, 'the engine failed');
}

/** Counts a refused client authentication, and records the first and the last that is allowed. */
export async function noteClientFailure(deps: Deps, ctx: KoaContextWithOIDC, error: Error): Promise<void> {
  if (!(error instanceof errors.InvalidClientAuth)) return;
  await countClientFailure(deps, ctx, ctx.oidc.client?.clientId ?? null);
}
