// A login with a password at one of our pages, and the problem that the page shows when it fails.
import type { Context } from 'koa';
import type { Deps } from '../../core/deps.ts';
import { proofOf } from '../../core/passwords/credentials.ts';
import { attemptLogin } from '../../core/passwords/login_attempts.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import type { User } from '../../core/users/users.ts';
import { AppError } from '../../lib/errors.ts';
import type { LoginProblem } from '../../pages/login.ts';
import { readDeviceCookie, setDeviceCookie } from './device_cookie.ts';

/** A login that is complete but for its browser session. */
export interface LoggedIn {
  user_id: string;
  proof: string;
  epoch: number;
}

interface Attempt {
  login: string;
  password: string;
  client_id: string | null;
}

/**
 * Verifies a password from one of our pages, under the same rate limits as any other login. With `replace` the password was right, and
 * that user's login has to ask for a new one (new_password.ts).
 */
export async function attemptPassword(
  deps: Deps,
  ctx: Context,
  attempt: Attempt,
): Promise<LoggedIn | { problem: LoginProblem; replace?: User }> {
  const source = requestSourceOf(ctx);
  try {
    const device = { browser: readDeviceCookie(deps, ctx) };
    const result = await attemptLogin(deps, { ...attempt, device, source });
    if (result.outcome === 'authenticated') {
      const { user, known } = result;
      await setDeviceCookie(deps, ctx, { user, known, source });
      return { user_id: user.id, proof: proofOf(user), epoch: user.session_epoch };
    }
    if (result.outcome === 'refused') return { problem: { kind: result.reason ?? 'wrong_credentials' } };
    if (result.outcome === 'replace') return { problem: { kind: 'replace' }, replace: result.user };
    const { status, status_message, ban_expires_at } = result.user;
    const kind = status === 'banned' ? 'banned' : 'disabled';
    return { problem: { kind, message: status_message, until: ban_expires_at } };
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'rate_limited') throw error;
    return { problem: { kind: 'too_many_attempts', retryAfter: error.retryAfter ?? 60 } };
  }
}

/** The HTTP status of a login page that shows this problem. */
export function loginStatus(problem: LoginProblem | undefined): number {
  if (!problem) return 200;
  return problem.kind === 'too_many_attempts' ? 429 : 403;
}
