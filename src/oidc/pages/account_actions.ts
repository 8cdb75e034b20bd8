// What the forms of the account page do: end sessions, rename a device, withdraw a consent, change the password. Each
// acts only on what belongs to the signed-in user, and answers with a redirect to the page.
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

/** A request of a signed-in user to the account page. */
export interface AccountRequest {
  deps: Deps;
  provider: Provider;
  ctx: Context;
  visitor: Visitor;
  source: RequestSource;
}
/** What a form of the page does. */
export type Action = (request: AccountRequest) => Promise<void>;

// Who ends the sessions, for the audit trail.
const actorOf = ({ visitor, source }: AccountRequest) =>
  ({ actor: 'user', actor_id: visitor.user.id, source }) as const;

/** Signs out of this browser: ends the browser session and every session that was opened in it. */
export async function signOut({ deps, provider, ctx, visitor, source }: AccountRequest): Promise<void> {
  const ending = { reason: 'logout', actor: 'user', actor_id: visitor.user.id, source } as const;
  await endBrowserSession(deps.db, visitor.user.id, visitor.id, ending);
  clearVisitorCookie(provider, ctx);
  sendSignedOutPage(deps, ctx);
}

/** Confirms the sign-out, also when the form is sent twice or another device has signed this browser out. */
export function sendSignedOutPage(deps: Deps, ctx: Context): void {
  sendPage(deps, ctx, renderLoggedOut(brandOf(deps), { signInUrl: publicPath(deps, '/account') }));
}

/** Ends one session. */
export async function endOneSession(request: AccountRequest): Promise<void> {
  const { deps, ctx, visitor } = request;
  const id = parseId(ctx.params.id);
  const session = id ? await findUserSession(deps.db, visitor.user.id, id) : null;
  if (!session) return redirectToPage(request, 'not_found');
  await endSession(deps.db, session.id, { ...actorOf(request), reason: 'ended_by_user' });
  redirectToPage(request, 'session_ended');
}

/** Ends the sessions of a device, as many as the page shows. */
export async function endDeviceSessions(request: AccountRequest): Promise<void> {
  const { deps, ctx, visitor } = request;
  const id = parseId(ctx.params.id);
  const live = await listLiveSessions(deps.db, visitor.user.id, { limit: maxLiveSessions });
  const onDevice = live.filter((one) => id !== null && one.device_id === id);
  if (onDevice.length === 0) return redirectToPage(request, 'not_found');
  for (const { id } of onDevice)
    await endSession(deps.db, id, { ...actorOf(request), reason: 'ended_by_user' });
  redirectToPage(request, 'device_ended');
}

/** Ends every session and browser session of the user, except this browser session and the sessions opened in it. */
export async function endOtherSessions(request: AccountRequest): Promise<void> {
  const { deps, visitor } = request;
  const kept = { browser_session: visitor.id, opened_in_browser: true };
  const ending = { ...actorOf(request), reason: 'logout_all' } as const;
  await endAllSessions(deps.db, visitor.user.id, ending, kept);
  redirectToPage(request, 'others_ended');
}

/** Renames a device. */
export async function saveDeviceName(request: AccountRequest): Promise<void> {
  const { deps, ctx, visitor } = request;
  const name = deviceName.safeParse(field(ctx, 'name').trim());
  const id = parseId(ctx.params.id);
  if (!name.success) return redirectToPage(request, 'invalid_name');
  const device = id ? await renameDevice(deps.db, visitor.user.id, id, name.data) : null;
  redirectToPage(request, device ? 'device_renamed' : 'not_found');
}

/** Ends a browser session, and every session that was opened in it. */
export async function endBrowserLogin(request: AccountRequest): Promise<void> {
  const { deps, ctx, visitor } = request;
  const ending = { ...actorOf(request), reason: 'ended_by_user' } as const;
  const ended = await endBrowserSession(deps.db, visitor.user.id, String(ctx.params.id), ending);
  redirectToPage(request, ended ? 'browser_session_ended' : 'not_found');
}

/** Withdraws the consent to a client and ends the client's sessions. */
export async function removeAccess(request: AccountRequest): Promise<void> {
  const { deps, ctx, visitor } = request;
  const ended = await withdrawConsent(
    deps.db,
    visitor.user.id,
    String(ctx.params.client_id),
    actorOf(request),
  );
  redirectToPage(request, ended === null ? 'not_found' : 'access_withdrawn');
}

/** Changes the password, or shows the page again with the reason why not. */
export async function setPassword(request: AccountRequest): Promise<void> {
  const { deps, ctx, visitor, source } = request;
  try {
    await changePassword(deps, {
      user_id: visitor.user.id,
      asker: { browser_session: visitor.id, browser: readDeviceCookie(deps, ctx) },
      current_password: field(ctx, 'current_password'),
      new_password: field(ctx, 'new_password'),
      source,
    });
    redirectToPage(request, 'password_changed');
  } catch (error) {
    if (!(error instanceof AppError) || error.code === 'overloaded') throw error;
    if (error.code === 'invalid_token') return redirectToPage(request, 'form_expired');
    const left = await deps.limits.passwordChange.left(visitor.user.id);
    await sendAccountPage(deps, ctx, visitor, { passwordProblem: problemOf(error, left) });
  }
}

function problemOf(error: AppError, attemptsLeft: number): PasswordProblem {
  if (error.code === 'rate_limited') return { kind: 'rate_limited', retryAfter: error.retryAfter ?? 60 };
  if (error.code === 'weak_password') return { kind: error.reason as 'password_too_short' };
  return { kind: attemptsLeft === 1 ? 'last_attempt' : 'wrong_password' };
}

/** Redirects to the page, so that a reload does not repeat the action; the page shows `flash` once. */
export function redirectToPage({ deps, ctx, visitor }: AccountRequest, flash: FlashCode): void {
  setFlash(deps, ctx, visitor.id, flash);
  redirect(ctx, publicPath(deps, '/account'));
}
