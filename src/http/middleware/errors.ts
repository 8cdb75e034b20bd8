// The one shape of errors: {error, error_description, reason?, request_id}, for our routes and for the engine's.
import type { Context, Middleware } from 'koa';
import { isUnavailable, unavailable } from '../../core/store/database_errors.ts';
import { AppError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';

/**
 * Answers whatever is thrown below: a refusal as what it is, a database that is away as `temporarily_unavailable` (503
 * with `Retry-After`), anything else as `server_error`, its story in the log.
 */
export function answerErrors(log: Log): Middleware {
  return async (ctx, next) => {
    try {
      await next();
    } catch (error) {
      answer(ctx, asRefusal(ctx, log, error));
    }
    // The engine answers by itself, and calls everything that it does not know a server_error.
    if (ctx.state.unavailable && ctx.type !== 'text/html') answer(ctx, ctx.state.unavailable);
    // A page that explains an error to a person is an answer already.
    if (ctx.status >= 400 && ctx.type !== 'text/html') complete(ctx);
  };
}

function asRefusal(ctx: Context, log: Log, error: unknown): AppError {
  if (error instanceof AppError) return error;
  if (isUnavailable(error)) {
    log.warn({ err: error, request_id: ctx.state.requestId }, 'the database is not available');
    return unavailable(error);
  }
  log.error({ err: error, request_id: ctx.state.requestId }, 'a request failed unexpectedly');
  return new AppError('server_error');
}

function answer(ctx: Context, refusal: AppError): void {
  ctx.status = refusal.status;
  if (refusal.retryAfter) ctx.set('Retry-After', String(refusal.retryAfter));
  if (refusal.code === 'rate_limited') ctx.state.reason = 'rate_limited';
  if (refusal.reason) ctx.state.reason = refusal.reason;
  ctx.body = { error: refusal.error, error_description: refusal.message };
}

// Whoever answered with an error status, the answer gets the members that all errors have.
function complete(ctx: Context): void {
  const { status } = ctx;
  if (!isErrorBody(ctx.body)) answer(ctx, fallback(status));
  ctx.status = status;
  ctx.set('Cache-Control', 'no-store');
  // Picked and not spread: the engine adds members of its own, such as the refused `scope`.
  const { error, error_description } = ctx.body as { error: string; error_description?: string };
  ctx.body = {
    error,
    // The engine has errors that it does not describe, such as `request_uri_not_supported`.
    error_description: error_description ?? fallback(status).message,
    ...(ctx.state.description ? { error_description: ctx.state.description } : {}),
    ...(ctx.state.reason ? { reason: ctx.state.reason } : {}),
    request_id: ctx.state.requestId,
  };
}

function fallback(status: number): AppError {
  if (status === 404) return new AppError('not_found');
  if (status === 405 || status === 501) return new AppError('method_not_allowed');
  return new AppError(status >= 500 ? 'server_error' : 'invalid_request');
}

function isErrorBody(body: unknown): body is { error: string } {
  return typeof body === 'object' && body !== null && 'error' in body;
}
