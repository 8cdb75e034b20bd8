// Where an error becomes an answer: one shape, {error, error_description, reason?, ended_reason?, request_id}, for our routes and the engine's.
// Status and text of each error of ours stand in lib/errors.ts.
import type { Context, Middleware } from 'koa';
import { isUnavailable, unavailable } from '../../core/store/database_errors.ts';
import { AppError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';

/**
 * Answers an error that the middleware below throws: an AppError with its status and text, an unreachable database with
 * `temporarily_unavailable` (503 and `Retry-After`), anything else with `server_error`, its stack in the log.
 */
export function answerErrors(log: Log): Middleware {
  return async (ctx, next) => {
    try {
      await next();
    } catch (error) {
      writeError(ctx, toAppError(ctx, log, error));
    }
    // The engine answers its errors itself, with server_error for those that it does not know, such as an unreachable database.
    if (ctx.state.unavailable && ctx.type !== 'text/html') writeError(ctx, ctx.state.unavailable);
    // An error page is complete already.
    if (ctx.status >= 400 && ctx.type !== 'text/html') completeError(ctx);
  };
}

function toAppError(ctx: Context, log: Log, error: unknown): AppError {
  if (error instanceof AppError) return error;
  if (isUnavailable(error)) {
    log.warn({ err: error, request_id: ctx.state.requestId }, 'the database is not available');
    return unavailable(error);
  }
  log.error({ err: error, request_id: ctx.state.requestId }, 'a request failed unexpectedly');
  return new AppError('server_error');
}

function writeError(ctx: Context, error: AppError): void {
  ctx.status = error.status;
  if (error.retryAfter) ctx.set('Retry-After', String(error.retryAfter));
  if (error.code === 'rate_limited') ctx.state.reason = 'rate_limited';
  if (error.reason) ctx.state.reason = error.reason;
  if (error.endedReason) ctx.state.endedReason = error.endedReason;
  if (error.members) ctx.state.errorMembers = error.members;
  ctx.body = { error: error.error, error_description: error.message };
}

// Gives every answer with an error status the members that all errors have, whichever middleware wrote it.
function completeError(ctx: Context): void {
  const { status } = ctx;
  if (!isErrorBody(ctx.body)) writeError(ctx, fallback(status));
  ctx.status = status;
  ctx.set('Cache-Control', 'no-store');
  // Picked and not spread: the engine adds members of its own, such as the refused `scope`.
  const { error, error_description } = ctx.body as { error: string; error_description?: string };
  ctx.body = {
    error,
    // Some errors of the engine have no description, such as `request_uri_not_supported`.
    error_description: error_description ?? fallback(status).message,
    ...(ctx.state.description ? { error_description: ctx.state.description } : {}),
    ...(ctx.state.reason ? { reason: ctx.state.reason } : {}),
    ...(ctx.state.endedReason ? { ended_reason: ctx.state.endedReason } : {}),
    ...ctx.state.errorMembers,
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
