// The login form of the account page, for a browser in which no user is signed in.
import type { Context } from 'koa';
import type { Provider } from 'oidc-provider';
import type { Deps } from '../../core/deps.ts';
import { type LoginProblem, renderLogin } from '../../pages/login.ts';
import { logInVisitor } from './browser_login.ts';
import { ensureFormSecret, readFormSecret } from './cookies.ts';
import { csrfToken, field, isCsrfToken } from './form.ts';
import { type NewPasswordPlace, sendNewPasswordPage, takeNewPassword } from './new_password.ts';
import { brandOf, publicPath, redirect, sendPage } from './page_response.ts';
import { attemptPassword, type LoggedIn, loginStatus } from './password_attempt.ts';
import { forgotUrl, takeRecovered } from './recovery_login.ts';
import { signUpUrl } from './sign_up_link.ts';

// There is no session yet that the CSRF token could be bound to, so it is bound to a secret in a cookie of the browser.
const loginSubject = (secret: string) => `account login ${secret}`;

/** Answers with the login form, and with what went wrong at the last attempt. */
export function sendAccountLogin(deps: Deps, ctx: Context, problem?: LoginProblem, username?: string): void {
  const secret = ensureFormSecret(deps, ctx);
  const form = { action: publicPath(deps, '/account/login'), csrf: csrfToken(deps, loginSubject(secret)) };
  const html = renderLogin(brandOf(deps), {
    form,
    ...(problem ? { problem } : {}),
    forgotUrl: forgotUrl(deps),
    isRecovered: takeRecovered(deps, ctx),
    ...(username ? { username } : {}),
    signUpUrl: signUpUrl(deps),
  });
  sendPage(deps, ctx, html, { status: loginStatus(problem) });
}

/** Verifies the password and starts a browser session. */
export function logInToAccount(deps: Deps, provider: () => Provider) {
  return async (ctx: Context): Promise<void> => {
    const login = field(ctx, 'username');
    const secret = readFormSecret(deps, ctx);
    if (!secret || !isCsrfToken(deps, loginSubject(secret), field(ctx, 'csrf')))
      return sendAccountLogin(deps, ctx, { kind: 'form_expired' }, login);
    const tried = await attemptPassword(deps, ctx, {
      login,
      password: field(ctx, 'password'),
      client_id: null,
    });
    if (!('problem' in tried)) return await finish(deps, provider(), ctx, tried, login);
    const { problem, replace } = tried;
    if (replace) sendNewPasswordPage(deps, ctx, newPasswordPlace(deps, secret), replace);
    else sendAccountLogin(deps, ctx, problem, login);
  };
}

/** Sets the password that replaces a generated one, and starts a browser session. */
export function setNewPassword(deps: Deps, provider: () => Provider) {
  return async (ctx: Context): Promise<void> => {
    const secret = readFormSecret(deps, ctx);
    const isOurs = secret && isCsrfToken(deps, loginSubject(secret), field(ctx, 'csrf'));
    const done = isOurs ? await takeNewPassword(deps, ctx, newPasswordPlace(deps, secret)) : 'expired';
    if (done === 'expired') sendAccountLogin(deps, ctx, { kind: 'form_expired' });
    else if (done) await finish(deps, provider(), ctx, done);
  };
}

function newPasswordPlace(deps: Deps, secret: string): NewPasswordPlace {
  const csrf = csrfToken(deps, loginSubject(secret));
  const form = { action: publicPath(deps, '/account/new-password'), csrf };
  return { form, context: loginSubject(secret), client_id: null };
}

async function finish(
  deps: Deps,
  provider: Provider,
  ctx: Context,
  login: LoggedIn,
  typed?: string,
): Promise<void> {
  const isLoggedIn = await logInVisitor(deps, provider, ctx, login);
  if (!isLoggedIn) return sendAccountLogin(deps, ctx, { kind: 'wrong_credentials' }, typed);
  redirect(ctx, publicPath(deps, '/account'));
}
