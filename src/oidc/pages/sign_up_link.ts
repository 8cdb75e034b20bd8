// The link of a sign-up. It always asks for a new password, in whatever browser it is opened: what the request said may have been typed by
// somebody else. Opening it changes nothing, and using it opens no session.
import type { Context } from 'koa';
import type { Provider } from 'oidc-provider';
import { completeSignUpByLink } from '../../core/actions/complete_sign_up.ts';
import { requestSignUpLink } from '../../core/actions/sign_up.ts';
import type { Deps } from '../../core/deps.ts';
import { findLink, type LinkState } from '../../core/one_time_codes/spend.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import { renderSignUp, renderSignUpDone } from '../../pages/sign_up.ts';
import { csrfToken, field, isCsrfToken } from './form.ts';
import {
  linkBrandOf,
  linkTokenOf,
  loginPath,
  readMailHandle,
  sendDeadLink,
  sendLinkPage,
  setMailHandle,
} from './link_pages.ts';
import { publicPath } from './page_response.ts';
import { formExpired, type Problem, problemOf, readTyped } from './sign_up_problems.ts';

// Bound to the link, so that the form needs no cookie.
const subject = (token: string) => `sign-up link ${token}`;

/** Shows the form of the link, or that it does not work and how to get a new one. */
export async function sendSignUpLink(
  deps: Deps,
  ctx: Context,
  { problem, status }: Problem = {},
): Promise<void> {
  const token = linkTokenOf(ctx);
  const { state, code } = token === null ? unknown : await findLink(deps.db, 'sign_up', token);
  if (token === null || state !== 'alive' || code?.address == null)
    return sendDead(deps, ctx, state === 'alive' ? 'used' : state);
  const html = renderSignUp(linkBrandOf(deps), {
    form: { action: publicPath(deps, `/sign-up/${token}`), csrf: csrfToken(deps, subject(token)) },
    is: { kind: 'link', address: code.address },
    username: field(ctx, 'username').slice(0, 254),
    problem,
  });
  sendLinkPage(deps, ctx, html, status);
}

const unknown = { state: 'unknown', code: null } as const;

function sendDead(deps: Deps, ctx: Context, state: Exclude<LinkState, 'alive'>, reason?: string): void {
  sendDeadLink(deps, ctx, {
    state,
    ...(reason === undefined ? {} : { reason }),
    advice: 'If you have created the account, sign in. Else ask for a new link.',
    newMail: {
      action: publicPath(deps, '/sign-up/again'),
      field: { name: 'email', label: 'E-mail', type: 'email', autocomplete: 'email' },
      button: 'Send a new link',
    },
    link: { url: publicPath(deps, '/account'), label: 'Sign in' },
  });
}

/** Creates the account of the link with the password that was typed. */
export async function signUpByLink(deps: Deps, provider: Provider, ctx: Context): Promise<void> {
  const token = linkTokenOf(ctx);
  if (token === null) return sendDead(deps, ctx, 'unknown');
  if (!isCsrfToken(deps, subject(token), field(ctx, 'csrf')))
    return await sendSignUpLink(deps, ctx, formExpired);
  try {
    const { username, password } = readTyped(ctx);
    await completeSignUpByLink(deps, { token, username, password, source: requestSourceOf(ctx) });
  } catch (error) {
    const found = problemOf(ctx, error);
    // The page of a dead link says what became of it.
    return await sendSignUpLink(deps, ctx, found.problem?.field === 'code' ? { status: 400 } : found);
  }
  await finishSignUp(deps, provider, ctx, readMailHandle(deps, ctx, 'sign_up')?.request ?? null);
}

/** Sends a new link to the address that was typed; the page says the same whatever the address is. */
export async function signUpAgain(deps: Deps, ctx: Context): Promise<void> {
  try {
    const { email } = readTyped(ctx);
    if (email === '') return sendDead(deps, ctx, 'unknown');
    await requestSignUpLink(deps, { email, source: requestSourceOf(ctx) });
  } catch (error) {
    const { problem, status } = problemOf(ctx, error);
    sendDead(deps, ctx, 'expired', problem?.text);
    ctx.status = status;
    return;
  }
  const next = { url: publicPath(deps, '/account'), label: 'Back to sign in' };
  sendLinkPage(deps, ctx, renderSignUpDone(linkBrandOf(deps), { outcome: 'mail_sent', next }), 202);
}

/** The last page of a sign-up: the person signs in at the request that the sign-up interrupted, or at the account page. */
export async function finishSignUp(
  deps: Deps,
  provider: Provider,
  ctx: Context,
  request: string | null,
): Promise<void> {
  setMailHandle(deps, ctx, 'sign_up', null);
  const next = { url: await loginPath(deps, provider, request), label: 'Sign in' };
  sendLinkPage(deps, ctx, renderSignUpDone(linkBrandOf(deps), { outcome: 'created', next }));
}

/** Where a login page sends people without an account; `request` is the authorization request that goes on afterwards. */
export function signUpUrl(deps: Deps, request: string | null = null): string | undefined {
  if (deps.config.signUp !== 'open') return undefined;
  return publicPath(deps, request === null ? '/sign-up' : `/sign-up?request=${request}`);
}
