// The reason of a refusal, kept in the request until the answer is written (http/middleware/errors.ts).

/** The part of a request that keeps the reason: the contexts of Koa and of the engine both have it. */
interface Request {
  state: { reason?: unknown; endedReason?: unknown; description?: unknown };
}

/**
 * Adds a reason, and optionally a sentence for the user, to the OAuth error of the answer. Call it only when the caller has
 * proved to hold the token or the password.
 */
export function giveReason({ state }: Request, reason: string, message?: string | null): void {
  state.reason = reason;
  if (message) state.description = message;
}
