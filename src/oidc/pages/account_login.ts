// The login form of the account page, shown while no one is signed in in this browser.
import type { Context } from 'koa';
import type { Provider } from 'oidc-provider';
import type { Deps } from '../../core/deps.ts';
import { type LoginProblem, renderLogin } from '../../pages/login.ts';
import { logInVisitor } from './browser_login.ts';
import { ensureFormSecret, readFormSecret } from './cookies.ts';
import { csrfToken, field, isCsrfToken } from './form.ts';
import { brandOf, publicPath, redirect, sendPage } from './page_response.ts';
import { attemptPassword, statusOf } from './password_attempt.ts';

// No one is logged in yet, so there is no session that a proof could belong to: it belongs to the browser.
const loginSubject = (secret: string) => `account login ${secret}`;

export function sendLoginPage(deps: Deps, ctx: Context, problem?: LoginProblem, username?: string): void {
  const secret = ensureFormSecret(deps, ctx);
  const form = { action: publicPath(deps, '/account/login'), csrf: csrfToken(deps, loginSubject(secret)) };
  const html = renderLogin(brandOf(deps), {
    form,
    ...(problem ? { problem } : {}),
    ...(username ? { username } : {}),
  });
  sendPage(deps, ctx, html, { status: statusOf(problem) });
}

export function logIn(deps: Deps, provider: () => Provider) {
  return async (ctx: Context): Promise<void> => {
    const login = field(ctx, 'username');
    const secret = readFormSecret(deps, ctx);
    if (!secret || !isCsrfToken(deps, loginSubject(secret), field(ctx, 'csrf')))
      return sendLoginPage(deps, ctx, { kind: 'form_expired' }, login);
    const tried = await attemptPassword(deps, ctx, {
      login,
      password: field(ctx, 'password'),
      client_id: null,
    });
    if ('problem' in tried) return sendLoginPage(deps, ctx, tried.problem, login);
    const isIn = await logInVisitor(deps, provider(), ctx, tried);
    if (!isIn) return sendLoginPage(deps, ctx, { kind: 'wrong_credentials' }, login);
    redirect(ctx, publicPath(deps, '/account'));
  };
}
