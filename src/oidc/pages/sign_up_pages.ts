// The pages on which a person asks for an account, and completes it with the code of the mail. In the middle of an authorization request
// they lead back to its login page, where the person signs in: a sign-up opens no session, so that a link cannot
// sign a person in to an account of somebody else.
import Router from '@koa/router';
import type { Context } from 'koa';
import type { Provider } from 'oidc-provider';
import { completeSignUp } from '../../core/actions/complete_sign_up.ts';
import { requestSignUp } from '../../core/actions/sign_up.ts';
import type { Deps } from '../../core/deps.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import { AppError } from '../../lib/errors.ts';
import { renderSignUp, renderSignUpCode } from '../../pages/sign_up.ts';
import { ensureFormSecret, readFormSecret } from './cookies.ts';
import { csrfToken, field, isCsrfToken, parseForm } from './form.ts';
import { readMailHandle, requestUid, setMailHandle } from './link_pages.ts';
import { brandOf, catchUnavailable, publicPath, redirect, sendPage } from './page_response.ts';
import { finishSignUp, sendSignUpLink, signUpAgain, signUpByLink } from './sign_up_link.ts';
import { formExpired, type Problem, problemOf, readTyped } from './sign_up_problems.ts';

/** The routes under `/sign-up`; they exist where people sign up by themselves. */
export function signUpRoutes(deps: Deps, provider: () => Provider): Router {
  const router = new Router({ prefix: '/sign-up' });
  const form = parseForm(deps);
  if (deps.config.signUp !== 'open') return router;
  router.use(catchUnavailable(deps));
  router.get('/', (ctx) => sendSignUpPage(deps, ctx));
  router.post('/', form, (ctx) => askForAccount(deps, ctx));
  router.get('/code', (ctx) => sendCodePage(deps, ctx));
  router.post('/code', form, (ctx) => typeCode(deps, provider(), ctx));
  router.post('/again', form, (ctx) => signUpAgain(deps, ctx));
  router.get('/:token', (ctx) => sendSignUpLink(deps, ctx));
  router.post('/:token', form, (ctx) => signUpByLink(deps, provider(), ctx));
  return router;
}

// There is no session that the CSRF token could be bound to, so it is bound to a secret in a cookie of the browser.
const subject = (secret: string) => `sign up ${secret}`;

function hasFormToken(deps: Deps, ctx: Context): boolean {
  const secret = readFormSecret(deps, ctx);
  return secret !== null && isCsrfToken(deps, subject(secret), field(ctx, 'csrf'));
}

function formTo(deps: Deps, ctx: Context, local: string, request: string | null) {
  return {
    action: publicPath(deps, local),
    csrf: csrfToken(deps, subject(ensureFormSecret(deps, ctx))),
    ...(request === null ? {} : { hidden: { request } }),
  };
}

function sendSignUpPage(deps: Deps, ctx: Context, { problem, status }: Problem = {}): void {
  const request = requestUid(ctx.method === 'POST' ? field(ctx, 'request') : ctx.query.request);
  const html = renderSignUp(brandOf(deps), {
    form: formTo(deps, ctx, '/sign-up', request),
    is: { kind: 'request', email: field(ctx, 'email').slice(0, 254) },
    username: field(ctx, 'username').slice(0, 254),
    problem,
    signInUrl: signInUrl(deps, request),
  });
  sendPage(deps, ctx, html, status === undefined ? {} : { status });
}

function signInUrl(deps: Deps, request: string | null): string {
  return publicPath(deps, request === null ? '/account' : `/interaction/${request}`);
}

async function askForAccount(deps: Deps, ctx: Context): Promise<void> {
  if (!hasFormToken(deps, ctx)) return sendSignUpPage(deps, ctx, formExpired);
  // A browser that asks again keeps its handle, so that the code of an earlier mail, which may come late, works as well.
  const sign_up_id = readMailHandle(deps, ctx, 'sign_up')?.handle;
  const source = requestSourceOf(ctx);
  try {
    const { email, username, password } = readTyped(ctx);
    const asked = { email, username, password, source };
    const handle = await requestSignUp(deps, {
      ...asked,
      ...(sign_up_id === undefined ? {} : { sign_up_id }),
    });
    setMailHandle(deps, ctx, 'sign_up', { handle, request: requestUid(field(ctx, 'request')) });
    redirect(ctx, publicPath(deps, '/sign-up/code'));
  } catch (error) {
    sendSignUpPage(deps, ctx, problemOf(ctx, error));
  }
}

function sendCodePage(deps: Deps, ctx: Context, { problem, status }: Problem = {}, isTaken = false): void {
  const request = readMailHandle(deps, ctx, 'sign_up')?.request ?? null;
  const html = renderSignUpCode(brandOf(deps), {
    form: formTo(deps, ctx, '/sign-up/code', null),
    problem,
    code: field(ctx, 'code').slice(0, 20),
    asksUsername: isTaken,
    username: field(ctx, 'username').slice(0, 254),
    againUrl: publicPath(deps, request === null ? '/sign-up' : `/sign-up?request=${request}`),
    signInUrl: signInUrl(deps, request),
  });
  sendPage(deps, ctx, html, status === undefined ? {} : { status });
}

async function typeCode(deps: Deps, provider: Provider, ctx: Context): Promise<void> {
  if (!hasFormToken(deps, ctx)) return sendCodePage(deps, ctx, formExpired);
  const kept = readMailHandle(deps, ctx, 'sign_up');
  const source = requestSourceOf(ctx);
  try {
    if (!kept) throw new AppError('invalid_code');
    const { username } = readTyped(ctx);
    const code = field(ctx, 'code').replaceAll(/[\s-]/g, '');
    await completeSignUp(deps, { sign_up_id: kept.handle, code, username, source });
  } catch (error) {
    const found = problemOf(ctx, error);
    return sendCodePage(deps, ctx, found, found.problem?.field === 'username');
  }
  await finishSignUp(deps, provider, ctx, kept.request);
}
