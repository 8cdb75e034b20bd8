// Attempts under a limit: an attempt that the server itself made fail does not count.
import type { Limit } from './rate_limits.ts';

/**
 * Runs `work` as one attempt that `limit` counts. An attempt that fails through no fault of the caller is refunded: after
 * an outage, clients that retried as `Retry-After` told them must not be refused.
 */
export async function withLimit<Result>(
  limit: Limit,
  key: string[],
  work: () => Promise<Result>,
): Promise<Result> {
  await limit.consume(...key);
  return await refundOnFault(() => limit.refund(...key), work);
}

/** Runs `work`, and calls `refund` when it fails through no fault of the caller. */
export async function refundOnFault<Result>(
  refund: () => Promise<unknown>,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    // Counters that are unavailable as well have not kept the attempt, or keep it until it expires.
    if (!isRefusal(error)) await refund().catch(() => {});
    throw error;
  }
}

// A refusal that the caller caused has a 4xx status, in our errors and in the engine's.
function isRefusal(error: unknown): boolean {
  const { status } = error as { status?: unknown };
  return typeof status === 'number' && status >= 400 && status < 500;
}
