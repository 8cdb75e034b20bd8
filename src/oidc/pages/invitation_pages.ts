// The link of an invitation: it creates the user of its address, or asks for that user's password and then gives the rights. It never signs
// anybody in, and leaves the user who is signed in in this browser alone. Opening it changes nothing.
import Router from '@koa/router';
import type { Context } from 'koa';
import {
  acceptInvitation,
  findInvitation,
  type OpenInvitation,
  takeUpInvitation,
} from '../../core/actions/accept_invitation.ts';
import type { Deps } from '../../core/deps.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import { AppError } from '../../lib/errors.ts';
import { type LoginProblem, loginProblemText } from '../../pages/login.ts';
import { renderSignUp, renderSignUpDone, type SignUpForm } from '../../pages/sign_up.ts';
import { csrfToken, field, isCsrfToken, parseForm } from './form.ts';
import { linkBrandOf, linkTokenOf, sendDeadLink, sendLinkPage } from './link_pages.ts';
import { catchUnavailable, publicPath } from './page_response.ts';
import { attemptPassword, loginStatus } from './password_attempt.ts';
import { forgotUrl } from './recovery_login.ts';
import { formExpired, type Problem, problemOf, readTyped } from './sign_up_problems.ts';

/** The routes under `/invitation`. */
export function invitationRoutes(deps: Deps): Router {
  const router = new Router({ prefix: '/invitation' });
  router.use(catchUnavailable(deps));
  router.get('/:token', (ctx) => sendInvitation(deps, ctx));
  router.post('/:token', parseForm(deps), (ctx) => answerInvitation(deps, ctx));
  return router;
}

// Bound to the link, so that the form needs no cookie, and that of one invitation is refused by another.
const subject = (token: string) => `invitation ${token}`;

async function findOpen(deps: Deps, ctx: Context): Promise<(OpenInvitation & { token: string }) | null> {
  const token = linkTokenOf(ctx);
  const found = token === null ? ({ state: 'unknown' } as const) : await findInvitation(deps, token);
  if (token !== null && found.state === 'alive') return { ...found, token };
  const state = found.state === 'alive' ? 'unknown' : found.state;
  const link = { url: publicPath(deps, '/account'), label: 'Sign in' };
  sendDeadLink(deps, ctx, {
    state,
    ...(state === 'used' ? { reason: 'The invitation was accepted already, replaced or withdrawn.' } : {}),
    advice: 'If you accepted it, sign in. Else ask the person who invited you for a new one.',
    link,
  });
  return null;
}

async function sendInvitation(deps: Deps, ctx: Context, { problem, status }: Problem = {}): Promise<void> {
  const open = await findOpen(deps, ctx);
  if (!open) return;
  const html = renderSignUp(linkBrandOf(deps), {
    form: {
      action: publicPath(deps, `/invitation/${open.token}`),
      csrf: csrfToken(deps, subject(open.token)),
    },
    is: formOf(open),
    forgotUrl: forgotUrl(deps),
    username: field(ctx, 'username').slice(0, 254),
    problem,
  });
  sendLinkPage(deps, ctx, html, status);
}

function formOf({
  email: address,
  rights: { roles, permissions, tenant_id },
  user,
}: OpenInvitation): SignUpForm {
  const tenant = tenant_id === null ? [] : [`tenant ${tenant_id}`];
  const rights = [
    ...roles.map((role) => `role ${role}`),
    ...permissions.map((one) => `permission ${one}`),
    ...tenant,
  ];
  return { kind: kindOf(user), address, rights };
}

function kindOf(user: OpenInvitation['user']): 'invited' | 'first_password' | 'take_up' {
  if (!user) return 'invited';
  return user.password_hash === null ? 'first_password' : 'take_up';
}

async function answerInvitation(deps: Deps, ctx: Context): Promise<void> {
  const open = await findOpen(deps, ctx);
  if (!open) return;
  if (!isCsrfToken(deps, subject(open.token), field(ctx, 'csrf')))
    return await sendInvitation(deps, ctx, formExpired);
  const kind = kindOf(open.user);
  try {
    const problem = kind === 'take_up' ? await takeUp(deps, ctx, open) : await accept(deps, ctx, open);
    if (problem) return await sendInvitation(deps, ctx, problem);
  } catch (error) {
    const found = problemOf(ctx, error);
    // What became of the link meanwhile is said by its page.
    return await sendInvitation(deps, ctx, found.problem?.field === 'code' ? { status: 400 } : found);
  }
  const outcome = ({ invited: 'created', first_password: 'password_set', take_up: 'taken_up' } as const)[
    kind
  ];
  const label = kind === 'take_up' ? 'Go to your account' : 'Sign in';
  const next = { url: publicPath(deps, '/account'), label };
  sendLinkPage(deps, ctx, renderSignUpDone(linkBrandOf(deps), { outcome, next }));
}

async function accept(deps: Deps, ctx: Context, { token }: { token: string }): Promise<null> {
  const { username, password } = readTyped(ctx);
  await acceptInvitation(deps, { token, username, password, source: requestSourceOf(ctx) });
  return null;
}

// The login of the invited user. It opens no session: the password that was typed is for this one act.
async function takeUp(
  deps: Deps,
  ctx: Context,
  { token, email: login, user }: OpenInvitation & { token: string },
): Promise<Problem | null> {
  const tried = await attemptPassword(deps, ctx, {
    login,
    password: field(ctx, 'password'),
    client_id: null,
  });
  if ('problem' in tried)
    return {
      problem: { field: 'password', text: takeUpText(tried.problem) },
      status: loginStatus(tried.problem),
    };
  if (tried.user_id !== user?.id) throw new AppError('invalid_code');
  const { user_id, proof } = tried;
  await takeUpInvitation(deps, { token, user_id, proof, source: requestSourceOf(ctx) });
  return null;
}

// Only the password is asked for, so only the password can be wrong.
function takeUpText(problem: LoginProblem): string {
  return problem.kind === 'wrong_credentials' ? 'Wrong password.' : loginProblemText(problem);
}
