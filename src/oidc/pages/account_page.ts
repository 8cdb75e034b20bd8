// The account page: what people can see and end by themselves, without any client.
import Router from '@koa/router';
import type { Context } from 'koa';
import type { Provider } from 'oidc-provider';
import type { Deps } from '../../core/deps.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import { isText } from '../../core/store/columns.ts';
import {
  type Action,
  back,
  endBrowser,
  endDevice,
  endOne,
  endOthers,
  rename,
  sendSignedOutPage,
  setPassword,
  signOut,
  type Visit,
  withdraw,
} from './account_actions.ts';
import { logIn, sendLoginPage } from './account_login.ts';
import { sendAccountPage } from './account_view.ts';
import { findVisitor } from './browser_login.ts';
import { field, isCsrfToken, parseForm } from './form.ts';
import { catchUnavailable } from './page_response.ts';

/** The routes of the page. `provider` is the engine of the moment. */
export function accountRoutes(deps: Deps, provider: () => Provider): Router {
  const router = new Router({ prefix: '/account' });
  const form = parseForm(deps);
  router.use(catchUnavailable(deps));
  const act = (action: Action) => whenSignedIn(deps, provider, requireCsrfToken(action));
  router.get('/', whenSignedIn(deps, provider, show));
  router.post('/login', form, logIn(deps, provider));
  router.post('/logout', form, whenSignedIn(deps, provider, requireCsrfToken(signOut), sendSignedOutPage));
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
  otherwise: (deps: Deps, ctx: Context) => void = sendLoginPage,
) {
  return async (ctx: Context): Promise<void> => {
    const engine = provider();
    const visitor = await findVisitor(deps, engine, ctx);
    if (!visitor) return otherwise(deps, ctx);
    const source = requestSourceOf(ctx);
    await action({ deps, provider: engine, ctx, visitor, source });
  };
}

function requireCsrfToken(action: Action): Action {
  return async (visit) => {
    const { deps, ctx, visitor } = visit;
    if (!isCsrfToken(deps, visitor.id, field(ctx, 'csrf'))) return back(visit, 'form_expired');
    if (!Object.values<string>(ctx.params).every(isText)) return back(visit, 'not_found');
    await action(visit);
  };
}

async function show({ deps, ctx, visitor }: Visit): Promise<void> {
  await sendAccountPage(deps, ctx, visitor);
}
