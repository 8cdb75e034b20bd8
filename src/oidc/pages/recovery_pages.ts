// The pages on which people recover an account: they name it, enter the code of the mail or open its link, and set a password. Nobody is
// signed in by it. GET and HEAD change nothing, and a form without typed input changes nothing.
import Router from '@koa/router';
import type { Context } from 'koa';
import type { Provider } from 'oidc-provider';
import { findRecovery, type RecoveryProof } from '../../core/actions/recover.ts';
import { requestRecovery } from '../../core/actions/request_recovery.ts';
import type { Deps } from '../../core/deps.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import { displayName, type User } from '../../core/users/users.ts';
import { AppError } from '../../lib/errors.ts';
import type { PasswordProblem } from '../../pages/account_texts.ts';
import { type CodePage, renderAskRecovery, renderMailSent, renderNewPassword } from '../../pages/recovery.ts';
import { field, parseForm } from './form.ts';
import { loginPath, readMailHandle, requestUid, setMailHandle } from './link_pages.ts';
import { brandOf, catchUnavailable, publicPath, redirect, sendPage } from './page_response.ts';
import { completeAtPage, type RecoveryPage } from './recovery_completion.ts';
import { setPasswordByLink, showLink } from './recovery_link.ts';

type Step = (page: RecoveryPage) => Promise<void>;

/** The routes under `/recover`. Links work where recovery by mail is off as well: an administrator hands them out. */
export function recoveryPages(deps: Deps, provider: () => Provider): Router {
  const router = new Router({ prefix: '/recover' });
  const form = parseForm(deps);
  const run = (step: Step) => async (ctx: Context) => await step({ deps, provider: provider(), ctx });
  router.use(catchUnavailable(deps));
  if (deps.config.recovery) {
    router.get('/', run(showStart));
    router.get('/code', run(showCode));
    router.post('/', form, run(sendMail));
    router.post('/code', form, run(enterCode));
    router.post('/password', form, run(setPassword));
  }
  router.get('/:token', run(showLink));
  router.post('/:token', form, run(setPasswordByLink));
  return router;
}

async function showStart({ deps, provider, ctx }: RecoveryPage, retryAfter?: number): Promise<void> {
  const request = requestUid(ctx.method === 'POST' ? field(ctx, 'request') : ctx.query.request);
  const html = renderAskRecovery(brandOf(deps), {
    form: { action: publicPath(deps, '/recover'), hidden: request === null ? {} : { request } },
    loginUrl: await loginPath(deps, provider, request),
    login: field(ctx, 'login').slice(0, 320),
    ...(retryAfter === undefined ? {} : { problem: { retryAfter } }),
  });
  sendPage(deps, ctx, html, { status: retryAfter === undefined ? 200 : 429 });
}

// 202 and a page at once, without a redirect: the form works in a browser without cookies, where the link of the mail goes on.
async function sendMail(page: RecoveryPage): Promise<void> {
  const { deps, ctx } = page;
  const login = field(ctx, 'login').trim();
  if (login === '') return await showStart(page);
  const kept = readMailHandle(deps, ctx, 'recovery');
  const isAgain = field(ctx, 'again') !== '';
  const request = isAgain ? (kept?.request ?? null) : requestUid(field(ctx, 'request'));
  try {
    const recovery_id = isAgain ? (kept?.handle ?? null) : null;
    const handle = await requestRecovery(deps, { login, recovery_id, source: requestSourceOf(ctx) });
    setMailHandle(deps, ctx, 'recovery', { handle, request });
    await sendCodePage(page, { status: 202, request });
  } catch (error) {
    await showStart(page, waitOf(ctx, error));
  }
}

// The seconds to wait after a refusal by a limit, also in the header; any other error is thrown on.
function waitOf(ctx: Context, error: unknown): number {
  if (!(error instanceof AppError) || error.code !== 'rate_limited') throw error;
  const retryAfter = error.retryAfter ?? 60;
  ctx.set('Retry-After', String(retryAfter));
  return retryAfter;
}

interface CodeState {
  status: number;
  request: string | null;
  problem?: CodePage['problem'];
}

async function sendCodePage({ deps, provider, ctx }: RecoveryPage, state: CodeState): Promise<void> {
  const { status, request, problem } = state;
  const login = field(ctx, 'login').trim().slice(0, 320);
  const start = publicPath(deps, '/recover');
  const html = renderMailSent(brandOf(deps), {
    // The name stands in the form as well, so that another mail can be asked for after a wrong code.
    form: { action: publicPath(deps, '/recover/code'), ...(login === '' ? {} : { hidden: { login } }) },
    ...(login === '' ? {} : { again: { action: start, hidden: { login, again: '1' } } }),
    startUrl: request === null ? start : `${start}?request=${request}`,
    loginUrl: await loginPath(deps, provider, request),
    ...(problem === undefined ? {} : { problem }),
  });
  sendPage(deps, ctx, html, { status });
}

async function showCode(page: RecoveryPage): Promise<void> {
  const kept = readMailHandle(page.deps, page.ctx, 'recovery');
  if (!kept) return redirect(page.ctx, publicPath(page.deps, '/recover'));
  await sendCodePage(page, { status: 200, request: kept.request });
}

/** Does something with the code that was entered; where it is wrong, answers with its page. */
async function withCode(page: RecoveryPage, use: (proof: RecoveryProof) => Promise<void>): Promise<void> {
  const { deps, ctx } = page;
  const kept = readMailHandle(deps, ctx, 'recovery');
  if (!kept) return redirect(ctx, publicPath(deps, '/recover'));
  const { handle: recovery_id, request } = kept;
  try {
    await use({ recovery_id, code: field(ctx, 'code') });
  } catch (error) {
    if (error instanceof AppError && error.code === 'invalid_code')
      return await sendCodePage(page, { status: 400, request, problem: 'wrong_code' });
    await sendCodePage(page, { status: 429, request, problem: { retryAfter: waitOf(ctx, error) } });
  }
}

// The code is compared and not spent. It stands in the next form, so that nothing of it is kept anywhere.
async function enterCode(page: RecoveryPage): Promise<void> {
  await withCode(page, async (proof) => {
    const { user } = await findRecovery(page.deps, proof, requestSourceOf(page.ctx));
    await sendPasswordPage(page, user);
  });
}

async function setPassword(page: RecoveryPage): Promise<void> {
  await withCode(page, async (proof) => {
    const problem = await completeAtPage(page, proof);
    if (problem === null) return;
    const { user } = await findRecovery(page.deps, proof, requestSourceOf(page.ctx));
    await sendPasswordPage(page, user, problem);
  });
}

async function sendPasswordPage(
  { deps, provider, ctx }: RecoveryPage,
  user: User,
  problem?: PasswordProblem,
): Promise<void> {
  const request = readMailHandle(deps, ctx, 'recovery')?.request ?? null;
  const html = renderNewPassword(brandOf(deps), {
    form: { action: publicPath(deps, '/recover/password'), hidden: { code: field(ctx, 'code') } },
    user: { name: displayName(user), email: user.email },
    loginUrl: await loginPath(deps, provider, request),
    ...(problem ? { problem } : {}),
  });
  sendPage(deps, ctx, html, { status: problem ? 400 : 200 });
}
