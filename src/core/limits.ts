// What every limit does alike: digest its key, and turn the library's refusal into ours.
import { RateLimiterRes } from 'rate-limiter-flexible';
import { digest } from '../lib/crypto.ts';
import { AppError } from '../lib/errors.ts';

/** The key of a counter. Digested: names and addresses are personal, of any length, and must not run into one another. */
export function keyOf(parts: string[]): string {
  return digest(JSON.stringify(parts));
}

/** Awaits the library's answer; a refusal becomes `rate_limited` with the seconds to wait, after `undo`. */
export async function refusing(
  answer: Promise<RateLimiterRes>,
  undo: () => Promise<unknown> = async () => {},
): Promise<void> {
  try {
    await answer;
  } catch (refusal) {
    if (!(refusal instanceof RateLimiterRes)) throw refusal;
    await undo();
    const retryAfter = Math.max(1, Math.ceil(refusal.msBeforeNext / 1000));
    throw new AppError('rate_limited', undefined, { retryAfter });
  }
}
