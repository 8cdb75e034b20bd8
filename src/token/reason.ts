// Why a request is refused, kept with the request until its answer is written (http/middleware/errors.ts).

/** The part of a request that keeps the reason; Koa's context has it, and so has the engine's. */
interface Request {
  state: { reason?: unknown; description?: unknown };
}

/**
 * Keeps why the request is refused, as a machine word, and perhaps as a sentence for the user; both go into the answer
 * beside the OAuth error. Only for callers that proved to hold the token or the password.
 */
export function giveReason({ state }: Request, reason: string, message?: string | null): void {
  state.reason = reason;
  if (message) state.description = message;
}
