// The routes of the account page, where users see and end their sessions without any client. Every form of the page
// needs a signed-in user and their CSRF token.
import Router from '@koa/router';
import type { Context } from 'koa';
import type { Provider } from 'oidc-provider';
import type { Deps } from '../../core/deps.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import { isText } from '../../core/store/columns.ts';
import {
  type AccountRequest,
  type Action,
  endBrowserLogin,
  endDeviceSessions,
  endOneSession,
  endOtherSessions,
  redirectToPage,
  removeAccess,
  saveDeviceName,
  sendSignedOutPage,
  setPassword,
  signOut,
} from './account_actions.ts';
import { deleteAccount, downloadData } from './account_data.ts';
import { askForAddress, confirmAddress } from './account_email.ts';
import { logInToAccount, sendAccountLogin, setNewPassword } from './account_login.ts';
import { saveProfile } from './account_profile.ts';
import { sendAccountPage } from './account_view.ts';
import { findVisitor } from './browser_login.ts';
import { field, isCsrfToken, parseForm } from './form.ts';
import { catchUnavailable } from './page_response.ts';

/** The routes under `/account`. `provider` returns the current engine, which changes when signing keys rotate. */
export function accountRoutes(deps: Deps, provider: () => Provider): Router {
  const router = new Router({ prefix: '/account' });
  const form = parseForm(deps);
  router.use(catchUnavailable(deps));
  const act = (action: Action) => whenSignedIn(deps, provider, requireCsrfToken(action));
  router.get('/', whenSignedIn(deps, provider, show));
  router.post('/login', form, logInToAccount(deps, provider));
  router.post('/new-password', form, setNewPassword(deps, provider));
  router.post('/logout', form, whenSignedIn(deps, provider, requireCsrfToken(signOut), sendSignedOutPage));
  router.post('/password', form, act(setPassword));
  router.post('/email', form, act(askForAddress));
  router.post('/email/verify', form, act(confirmAddress));
  router.post('/profile', form, act(saveProfile));
  router.post('/delete', form, act(deleteAccount));
  router.post('/export', form, act(downloadData));
  router.post('/sessions/end-others', form, act(endOtherSessions));
  router.post('/sessions/:id/end', form, act(endOneSession));
  router.post('/devices/:id/end', form, act(endDeviceSessions));
  router.post('/devices/:id/rename', form, act(saveDeviceName));
  router.post('/browsers/:id/end', form, act(endBrowserLogin));
  router.post('/consents/:client_id/withdraw', form, act(removeAccess));
  return router;
}

function whenSignedIn(
  deps: Deps,
  provider: () => Provider,
  action: Action,
  whenSignedOut: (deps: Deps, ctx: Context) => void = sendAccountLogin,
) {
  return async (ctx: Context): Promise<void> => {
    const engine = provider();
    const visitor = await findVisitor(deps, engine, ctx);
    if (!visitor) return whenSignedOut(deps, ctx);
    const source = requestSourceOf(ctx);
    await action({ deps, provider: engine, ctx, visitor, source });
  };
}

function requireCsrfToken(action: Action): Action {
  return async (request) => {
    const { deps, ctx, visitor } = request;
    if (!isCsrfToken(deps, visitor.id, field(ctx, 'csrf'))) return redirectToPage(request, 'form_expired');
    if (!Object.values<string>(ctx.params).every(isText)) return redirectToPage(request, 'not_found');
    await action(request);
  };
}

async function show({ deps, ctx, visitor }: AccountRequest): Promise<void> {
  await sendAccountPage(deps, ctx, visitor);
}
