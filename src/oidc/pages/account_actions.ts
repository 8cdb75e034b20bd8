// What the forms of the account page do: end sessions, rename a device, withdraw a consent, change the password.
import type { Context } from 'koa';
import type { Provider } from 'oidc-provider';
import { withdrawConsent } from '../../core/actions/consents.ts';
import { changePassword } from '../../core/actions/password_change.ts';
import type { Deps } from '../../core/deps.ts';
import type { RequestSource } from '../../core/request_source.ts';
import { endBrowserSession } from '../../core/sessions/browser_sessions.ts';
import { endAllSessions } from '../../core/sessions/end_many.ts';
import { endSession } from '../../core/sessions/end_sessions.ts';
import { findUserSession, listLiveSessions } from '../../core/sessions/session_list.ts';
import { deviceName, renameDevice } from '../../core/users/devices.ts';
import { AppError } from '../../lib/errors.ts';
import { parseId } from '../../lib/ids.ts';
import type { FlashCode, PasswordProblem } from '../../pages/account_texts.ts';
import { renderLoggedOut } from '../../pages/logout.ts';
import { maxLiveSessions, sendAccountPage } from './account_view.ts';
import { clearVisitorCookie, type Visitor } from './browser_login.ts';
import { readDeviceCookie } from './device_cookie.ts';
import { setFlash } from './flash.ts';
import { field } from './form.ts';
import { brandOf, publicPath, redirect, sendPage } from './page_response.ts';

export interface Visit {
  deps: Deps;
  provider: Provider;
  ctx: Context;
  visitor: Visitor;
  source: RequestSource;
}
export type Action = (visit: Visit) => Promise<void>;

/** What the actions of the page need to say in every ending. */
const byUser = ({ visitor, source }: Visit) =>
  ({ actor: 'user', actor_id: visitor.user.id, source }) as const;

export async function signOut({ deps, provider, ctx, visitor, source }: Visit): Promise<void> {
  const ending = { reason: 'logout', actor: 'user', actor_id: visitor.user.id, source } as const;
  await endBrowserSession(deps.db, visitor.user.id, visitor.id, ending);
  clearVisitorCookie(provider, ctx);
  sendSignedOutPage(deps, ctx);
}

// Also when the form is sent twice, or when the browser was signed out from elsewhere.
export function sendSignedOutPage(deps: Deps, ctx: Context): void {
  sendPage(deps, ctx, renderLoggedOut(brandOf(deps), { signInUrl: publicPath(deps, '/account') }));
}

export async function endOne(visit: Visit): Promise<void> {
  const { deps, ctx, visitor } = visit;
  const id = parseId(ctx.params.id);
  const session = id ? await findUserSession(deps.db, visitor.user.id, id) : null;
  if (!session) return back(visit, 'not_found');
  await endSession(deps.db, session.id, { ...byUser(visit), reason: 'ended_by_user' });
  back(visit, 'session_ended');
}

// All that is signed in on a device, or as much of it as the page shows.
export async function endDevice(visit: Visit): Promise<void> {
  const { deps, ctx, visitor } = visit;
  const id = parseId(ctx.params.id);
  const live = await listLiveSessions(deps.db, visitor.user.id, { limit: maxLiveSessions });
  const there = live.filter((one) => id !== null && one.device_id === id);
  if (there.length === 0) return back(visit, 'not_found');
  for (const { id } of there) await endSession(deps.db, id, { ...byUser(visit), reason: 'ended_by_user' });
  back(visit, 'device_ended');
}

export async function endOthers(visit: Visit): Promise<void> {
  const { deps, visitor } = visit;
  const kept = { browser_session: visitor.id, opened_in_browser: true };
  const ending = { ...byUser(visit), reason: 'logout_all' } as const;
  await endAllSessions(deps.db, visitor.user.id, ending, kept);
  back(visit, 'others_ended');
}

export async function rename(visit: Visit): Promise<void> {
  const { deps, ctx, visitor } = visit;
  const name = deviceName.safeParse(field(ctx, 'name').trim());
  const id = parseId(ctx.params.id);
  if (!name.success) return back(visit, 'invalid_name');
  const device = id ? await renameDevice(deps.db, visitor.user.id, id, name.data) : null;
  back(visit, device ? 'device_renamed' : 'not_found');
}

export async function endBrowser(visit: Visit): Promise<void> {
  const { deps, ctx, visitor } = visit;
  const ending = { ...byUser(visit), reason: 'ended_by_user' } as const;
  const ended = await endBrowserSession(deps.db, visitor.user.id, String(ctx.params.id), ending);
  back(visit, ended ? 'browser_session_ended' : 'not_found');
}

export async function withdraw(visit: Visit): Promise<void> {
  const { deps, ctx, visitor } = visit;
  const ended = await withdrawConsent(deps.db, visitor.user.id, String(ctx.params.client_id), byUser(visit));
  back(visit, ended === null ? 'not_found' : 'access_withdrawn');
}

export async function setPassword(visit: Visit): Promise<void> {
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
    await sendAccountPage(deps, ctx, visitor, { passwordProblem: problemOf(error, left) });
  }
}

function problemOf(error: AppError, attemptsLeft: number): PasswordProblem {
  if (error.code === 'rate_limited') return { kind: 'rate_limited', retryAfter: error.retryAfter ?? 60 };
  if (error.code === 'weak_password') return { kind: error.reason as 'password_too_short' };
  return { kind: attemptsLeft === 1 ? 'last_attempt' : 'wrong_password' };
}

// Back to the page, so that a reload repeats nothing.
export function back({ deps, ctx, visitor }: Visit, flash: FlashCode): void {
  setFlash(deps, ctx, visitor.id, flash);
  redirect(ctx, publicPath(deps, '/account'));
}
