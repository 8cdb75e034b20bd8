// The account page: what people can see and end by themselves, without any client.
import Router from '@koa/router';
import type { Context } from 'koa';
import type { Provider } from 'oidc-provider';
import { withdrawConsent } from '../../core/actions/consents.ts';
import { changePassword } from '../../core/actions/password_change.ts';
import type { Deps } from '../../core/deps.ts';
import { type RequestSource, requestSourceOf } from '../../core/request_source.ts';
import { endBrowserSession } from '../../core/sessions/browser_sessions.ts';
import { endAllSessions } from '../../core/sessions/end_many.ts';
import { endSession } from '../../core/sessions/end_sessions.ts';
import { findUserSession, listLiveSessions } from '../../core/sessions/session_list.ts';
import { isText } from '../../core/store/columns.ts';
import { deviceName, renameDevice } from '../../core/users/devices.ts';
import { AppError } from '../../lib/errors.ts';
import { parseId } from '../../lib/ids.ts';
import type { FlashCode, PasswordProblem } from '../../pages/account_texts.ts';
import { type LoginProblem, renderLogin } from '../../pages/login.ts';
import { renderLoggedOut } from '../../pages/logout.ts';
import { sessionsShown, showAccount } from './account_view.ts';
import { findVisitor, forgetVisitor, logInVisitor, type Visitor } from './browser_login.ts';
import { browserSecret, presentedSecret } from './cookies.ts';
import { readDeviceCookie } from './device_cookie.ts';
import { keepFlash } from './flash.ts';
import {
  brandOf,
  csrfToken,
  explainUnavailable,
  field,
  isCsrfToken,
  path,
  readForm,
  redirect,
  showPage,
} from './html.ts';
import { statusOf, tryPassword } from './typed_password.ts';

interface Visit {
  deps: Deps;
  provider: Provider;
  ctx: Context;
  visitor: Visitor;
  source: RequestSource;
}
type Action = (visit: Visit) => Promise<void>;

/** What the actions of the page need to say in every ending. */
const byUser = ({ visitor, source }: Visit) =>
  ({ actor: 'user', actor_id: visitor.user.id, source }) as const;

/** The routes of the page. `provider` is the engine of the moment. */
export function accountRoutes(deps: Deps, provider: () => Provider): Router {
  const router = new Router({ prefix: '/account' });
  const form = readForm(deps);
  router.use(explainUnavailable(deps));
  const act = (action: Action) => whenSignedIn(deps, provider, whenGenuine(action));
  router.get('/', whenSignedIn(deps, provider, show));
  router.post('/login', form, logIn(deps, provider));
  router.post('/logout', form, whenSignedIn(deps, provider, whenGenuine(signOut), showSignedOut));
  router.post('/password', form, act(setPassword));
  router.post('/sessions/end-others', form, act(endOthers));
  router.post('/sessions/:id/end', form, act(endOne));
  router.post('/devices/:id/end', form, act(endDevice));
  router.post('/devices/:id/rename', form, act(rename));
  router.post('/browsers/:id/end', form, act(endBrowser));
  router.post('/consents/:client_id/withdraw', form, act(withdraw));
  return router;
}

function whenSignedIn(
  deps: Deps,
  provider: () => Provider,
  action: Action,
  otherwise: (deps: Deps, ctx: Context) => void = showLogin,
) {
  return async (ctx: Context): Promise<void> => {
    const engine = provider();
    const visitor = await findVisitor(deps, engine, ctx);
    if (!visitor) return otherwise(deps, ctx);
    const source = requestSourceOf(ctx);
    await action({ deps, provider: engine, ctx, visitor, source });
  };
}

function whenGenuine(action: Action): Action {
  return async (visit) => {
    const { deps, ctx, visitor } = visit;
    if (!isCsrfToken(deps, visitor.id, field(ctx, 'csrf'))) return back(visit, 'form_expired');
    if (!Object.values<string>(ctx.params).every(isText)) return back(visit, 'not_found');
    await action(visit);
  };
}

async function show({ deps, ctx, visitor }: Visit): Promise<void> {
  await showAccount(deps, ctx, visitor);
}

// No one is logged in yet, so there is no session that a proof could belong to: it belongs to the browser.
const loginSubject = (secret: string) => `account login ${secret}`;

function showLogin(deps: Deps, ctx: Context, problem?: LoginProblem, username?: string): void {
  const secret = browserSecret(deps, ctx);
  const form = { action: path(deps, '/account/login'), csrf: csrfToken(deps, loginSubject(secret)) };
  const html = renderLogin(brandOf(deps), {
    form,
    ...(problem ? { problem } : {}),
    ...(username ? { username } : {}),
  });
  showPage(deps, ctx, html, { status: statusOf(problem) });
}

function logIn(deps: Deps, provider: () => Provider) {
  return async (ctx: Context): Promise<void> => {
    const login = field(ctx, 'username');
    const secret = presentedSecret(deps, ctx);
    if (!secret || !isCsrfToken(deps, loginSubject(secret), field(ctx, 'csrf')))
      return showLogin(deps, ctx, { kind: 'form_expired' }, login);
    const tried = await tryPassword(deps, ctx, {
      login,
      password: field(ctx, 'password'),
      client_id: null,
    });
    if ('problem' in tried) return showLogin(deps, ctx, tried.problem, login);
    const isIn = await logInVisitor(deps, provider(), ctx, tried);
    if (!isIn) return showLogin(deps, ctx, { kind: 'wrong_credentials' }, login);
    redirect(ctx, path(deps, '/account'));
  };
}

async function signOut({ deps, provider, ctx, visitor, source }: Visit): Promise<void> {
  const ending = { reason: 'logout', actor: 'user', actor_id: visitor.user.id, source } as const;
  await endBrowserSession(deps.db, visitor.user.id, visitor.id, ending);
  forgetVisitor(provider, ctx);
  showSignedOut(deps, ctx);
}

// Also when the form is sent twice, or when the browser was signed out from elsewhere.
function showSignedOut(deps: Deps, ctx: Context): void {
  showPage(deps, ctx, renderLoggedOut(brandOf(deps), { signInUrl: path(deps, '/account') }));
}

async function endOne(visit: Visit): Promise<void> {
  const { deps, ctx, visitor } = visit;
  const id = parseId(ctx.params.id);
  const session = id ? await findUserSession(deps.db, visitor.user.id, id) : null;
  if (!session) return back(visit, 'not_found');
  await endSession(deps.db, session.id, { ...byUser(visit), reason: 'ended_by_user' });
  back(visit, 'session_ended');
}

// All that is signed in on a device, or as much of it as the page shows.
async function endDevice(visit: Visit): Promise<void> {
  const { deps, ctx, visitor } = visit;
  const id = parseId(ctx.params.id);
  const live = await listLiveSessions(deps.db, visitor.user.id, { limit: sessionsShown });
  const there = live.filter((one) => id !== null && one.device_id === id);
  if (there.length === 0) return back(visit, 'not_found');
  for (const { id } of there) await endSession(deps.db, id, { ...byUser(visit), reason: 'ended_by_user' });
  back(visit, 'device_ended');
}

async function endOthers(visit: Visit): Promise<void> {
  const { deps, visitor } = visit;
  const kept = { browser_session: visitor.id, opened_in_browser: true };
  const ending = { ...byUser(visit), reason: 'logout_all' } as const;
  await endAllSessions(deps.db, visitor.user.id, ending, kept);
  back(visit, 'others_ended');
}

async function rename(visit: Visit): Promise<void> {
  const { deps, ctx, visitor } = visit;
  const name = deviceName.safeParse(field(ctx, 'name').trim());
  const id = parseId(ctx.params.id);
  if (!name.success) return back(visit, 'invalid_name');
  const device = id ? await renameDevice(deps.db, visitor.user.id, id, name.data) : null;
  back(visit, device ? 'device_renamed' : 'not_found');
}

async function endBrowser(visit: Visit): Promise<void> {
  const { deps, ctx, visitor } = visit;
  const ending = { ...byUser(visit), reason: 'ended_by_user' } as const;
  const ended = await endBrowserSession(deps.db, visitor.user.id, String(ctx.params.id), ending);
  back(visit, ended ? 'browser_session_ended' : 'not_found');
}

async function withdraw(visit: Visit): Promise<void> {
  const { deps, ctx, visitor } = visit;
  const ended = await withdrawConsent(deps.db, visitor.user.id, String(ctx.params.client_id), byUser(visit));
  back(visit, ended === null ? 'not_found' : 'access_withdrawn');
}

async function setPassword(visit: Visit): Promise<void> {
  const { deps, ctx, visitor, source } = visit;
  try {
    await changePassword(deps, {
      user_id: visitor.user.id,
      asker: { browser_session: visitor.id, browser: readDeviceCookie(deps, ctx) },
      current_password: field(ctx, 'current_password'),
      new_password: field(ctx, 'new_password'),
      source,
    });
    back(visit, 'password_changed');
  } catch (error) {
    if (!(error instanceof AppError) || error.code === 'overloaded') throw error;
    if (error.code === 'invalid_token') return back(visit, 'form_expired');
    const left = await deps.limits.passwordChange.left(visitor.user.id);
    await showAccount(deps, ctx, visitor, { passwordProblem: problemOf(error, left) });
  }
}

function problemOf(error: AppError, attemptsLeft: number): PasswordProblem {
  if (error.code === 'rate_limited') return { kind: 'rate_limited', retryAfter: error.retryAfter ?? 60 };
  if (error.code === 'weak_password') return { kind: error.reason as 'password_too_short' };
  return { kind: attemptsLeft === 1 ? 'last_attempt' : 'wrong_password' };
}

// Back to the page, so that a reload repeats nothing.
function back({ deps, ctx, visitor }: Visit, flash: FlashCode): void {
  keepFlash(deps, ctx, visitor.id, flash);
  redirect(ctx, path(deps, '/account'));
}
