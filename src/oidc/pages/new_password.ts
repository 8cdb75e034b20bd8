// The page after a login with a password that an administrator has generated: it asks for a new one, and the login goes on with it.
import type { Context } from 'koa';
import { replacePassword } from '../../core/actions/replace_password.ts';
import type { Deps } from '../../core/deps.ts';
import { proofOf } from '../../core/passwords/credentials.ts';
import { openLogin, sealLogin } from '../../core/passwords/unfinished_login.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import { displayName, findUser, type User } from '../../core/users/users.ts';
import { AppError } from '../../lib/errors.ts';
import type { PasswordProblem } from '../../pages/account_texts.ts';
import { renderNewPassword } from '../../pages/recovery.ts';
import { setDeviceCookie } from './device_cookie.ts';
import { field } from './form.ts';
import { brandOf, sendPage } from './page_response.ts';
import type { LoggedIn } from './password_attempt.ts';

/** Where the page is: its form, and the request or browser for which the login is good. */
export interface NewPasswordPlace {
  form: { action: string; csrf: string };
  context: string;
  csp?: { leadsToClient: boolean };
  client_id: string | null;
}

/** Asks for the new password. */
export function sendNewPasswordPage(
  deps: Deps,
  ctx: Context,
  { form, context, csp = { leadsToClient: false } }: NewPasswordPlace,
  user: User,
  problem?: PasswordProblem,
): void {
  const login = { user_id: user.id, proof: proofOf(user) };
  const auth_session = sealLogin(deps.keyring, login, context, deps.clock.now());
  const html = renderNewPassword(brandOf(deps), {
    form: { action: form.action, hidden: { csrf: form.csrf, auth_session } },
    user: { name: displayName(user), email: user.email },
    isLogin: true,
    ...(problem ? { problem } : {}),
  });
  const status = problem ? (problem.kind === 'rate_limited' ? 429 : 400) : 200;
  sendPage(deps, ctx, html, { ...csp, status });
}

/**
 * Sets the password of the form and returns the login, which is complete now. Null where the page was answered: the password was not
 * taken. `expired` when the form was used, or its login has become void.
 */
export async function takeNewPassword(
  deps: Deps,
  ctx: Context,
  place: NewPasswordPlace,
): Promise<LoggedIn | null | 'expired'> {
  const login = openLogin(deps.keyring, field(ctx, 'auth_session'), place.context, deps.clock.now());
  if (!login) return 'expired';
  const new_password = field(ctx, 'new_password');
  const { client_id } = place;
  try {
    const source = requestSourceOf(ctx);
    const user = await replacePassword(deps, { ...login, new_password, client_id, source });
    await setDeviceCookie(deps, ctx, { user, known: null, source });
    return { user_id: user.id, proof: proofOf(user), epoch: user.session_epoch };
  } catch (error) {
    const problem = problemOf(error);
    const user = problem && (await findUser(deps.db, login.user_id));
    if (!user) return 'expired';
    sendNewPasswordPage(deps, ctx, place, user, problem);
    return null;
  }
}

function problemOf(error: unknown): PasswordProblem | null {
  if (!(error instanceof AppError)) throw error;
  switch (error.code) {
    case 'invalid_session':
      return null;
    case 'weak_password':
      return { kind: error.reason as 'password_too_short' };
    case 'rate_limited':
      return { kind: 'rate_limited', retryAfter: error.retryAfter ?? 60 };
    default:
      throw error;
  }
}
