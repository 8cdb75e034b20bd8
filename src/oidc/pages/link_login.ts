// A login that stands for one form of a link: name and password of one user, without a browser session, so that the one that is open in
// this browser stays as it is.
import type { Context } from 'koa';
import type { Deps } from '../../core/deps.ts';
import { attemptLogin } from '../../core/passwords/login_attempts.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import type { User } from '../../core/users/users.ts';
import { AppError } from '../../lib/errors.ts';
import { waitFor } from '../../pages/time.ts';
import { readDeviceCookie } from './device_cookie.ts';
import { field } from './form.ts';

/** What was wrong with what a person typed, and the status of the page that says so. */
export interface LinkProblem {
  title: string;
  text?: string;
  status: number;
}

/** What to type where another address was typed than the one that the mail went to. */
export const notTyped = 'Type the whole address of the mailbox in which you found the mail.';

const wrong: LinkProblem = { title: 'Wrong username or password', status: 403 };
const otherAccount: LinkProblem = {
  title: 'This account did not ask for the address',
  text: 'Sign in to the account in which you have entered it.',
  status: 403,
};

/** Verifies the fields `username` and `password` under the limits of any login; only this user is accepted. */
export async function logInOnce(
  deps: Deps,
  ctx: Context,
  user_id: string | null,
): Promise<{ login: User } | { problem: LinkProblem }> {
  const attempt = { login: field(ctx, 'username'), password: field(ctx, 'password'), client_id: null };
  if (!attempt.login || !attempt.password) return { problem: { ...wrong, status: 400 } };
  try {
    const device = { browser: readDeviceCookie(deps, ctx) };
    const result = await attemptLogin(deps, { ...attempt, device, source: requestSourceOf(ctx) });
    if (result.outcome === 'authenticated' && result.user.id === user_id) return { login: result.user };
    return { problem: result.outcome === 'authenticated' ? otherAccount : wrong };
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'rate_limited') throw error;
    const text = `Try again in ${waitFor(error.retryAfter ?? 60)}.`;
    return { problem: { title: 'Too many wrong passwords', text, status: 429 } };
  }
}
