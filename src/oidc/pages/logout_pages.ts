// Signing out on behalf of a client (OpenID Connect RP-Initiated Logout 1.0): the page that asks the user, when it does not ask, and
// where the browser goes afterwards.
import type { Context, Middleware } from 'koa';
import type { KoaContextWithOIDC } from 'oidc-provider';
import type { Deps } from '../../core/deps.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import { endSession } from '../../core/sessions/end_sessions.ts';
import type { SessionWithUser } from '../../core/sessions/find_session.ts';
import { isOver } from '../../core/sessions/live_session.ts';
import { digest } from '../../lib/crypto.ts';
import { renderLoggedOut, renderLogout } from '../../pages/logout.ts';
import { sessionOf } from '../request/context.ts';
import { logoutStateOf } from '../request/logout_state.ts';
import { setSessionCookie } from '../request/session_cookie.ts';
import { redirectToClient, withQuery } from './client_redirect.ts';
import { type EnginePages, nameOf, sendEnginePage, xsrfTokenOf } from './engine_response.ts';
import { brandOf, publicPath, redirect } from './page_response.ts';

type Ctx = KoaContextWithOIDC;
type LogoutPages = Pick<EnginePages, 'logoutSource' | 'postLogoutSuccessSource'>;

/** The logout pages with the name, logo and colours of this deployment. */
export function logoutPages(deps: Deps): LogoutPages {
  const withClient = (ctx: Ctx) => {
    const client = nameOf(ctx);
    return client ? { client } : {};
  };
  return {
    async logoutSource(ctx) {
      if (await isAskedByThisLogin(deps, ctx)) return await signOut(ctx);
      const form = { action: ctx.oidc.urlFor('end_session_confirm'), csrf: xsrfTokenOf(ctx) };
      const html = renderLogout(brandOf(deps), { form, ...withClient(ctx) });
      sendEnginePage(deps, ctx, html, { leadsToClient: targetOf(ctx) !== undefined });
    },
    async postLogoutSuccessSource(ctx) {
      const page = { signInUrl: publicPath(deps, '/account'), ...withClient(ctx) };
      sendEnginePage(deps, ctx, renderLoggedOut(brandOf(deps), page));
    },
  };
}

/**
 * Wraps the engine. A request with a valid hint from no signed-in browser, such as one that a client's server sends, ends the session
 * of that hint, as the client could by revoking its refresh token, and no other. And a browser that has signed out returns to the
 * client's URI as it was registered.
 */
export function finishLogouts(deps: Deps): Middleware {
  return async (ctx, next) => {
    await next();
    const { oidc } = ctx as Partial<Ctx>;
    if (oidc?.route === 'end_session_confirm' && ctx.status === 303) returnToClient(ctx, oidc);
    const isAnonymous = oidc?.route === 'end_session' && ctx.status === 200 && !oidc.session?.accountId;
    if (!isAnonymous || !oidc.entities.IdTokenHint || !isVisit(ctx)) return;
    const session = await findHinted(deps, ctx as Ctx);
    const by = { reason: 'logout', actor: 'client', actor_id: oidc.client?.clientId ?? '' } as const;
    if (session) await endSession(deps.db, session.id, { ...by, source: requestSourceOf(ctx) });
    leave(ctx as Ctx);
  };
}

// Whether the ID token of the request comes from a session that was opened in this browser and still lives. Then no other website can have
// made up the request, and the user has signed out at the client already.
async function isAskedByThisLogin(deps: Deps, ctx: Ctx): Promise<boolean> {
  const { accountId, uid } = ctx.oidc.session ?? {};
  if (!accountId || !uid || !isVisit(ctx)) return false;
  const session = await findHinted(deps, ctx);
  return session?.user_id === accountId && session.browser_session === digest(uid);
}

// False for HEAD, and for a page that the browser loads before its user opens it.
function isVisit(ctx: Context): boolean {
  return ctx.method === 'GET' && !/prefetch|prerender/.test(ctx.get('sec-purpose') + ctx.get('purpose'));
}

// The live session of the hint, which the engine has verified but for its expiry. A hint that has expired is one all the same.
async function findHinted(deps: Deps, ctx: Ctx): Promise<SessionWithUser | null> {
  const { client, entities } = ctx.oidc;
  const { sid, sub } = (entities.IdTokenHint?.payload ?? {}) as { sid?: unknown; sub?: unknown };
  if (!client || typeof sid !== 'string') return null;
  const session = await sessionOf(ctx, deps, sid);
  if (!session || isOver(session)) return null;
  return session.user_id === sub && session.client_id === client.clientId ? session : null;
}

async function signOut(ctx: Ctx): Promise<void> {
  await ctx.oidc.session?.destroy();
  setSessionCookie(ctx.oidc.provider, ctx, null);
  leave(ctx);
}

function leave(ctx: Ctx): void {
  const { state } = ctx.oidc.params as { state?: string };
  const target = targetOf(ctx);
  if (target === undefined) redirect(ctx, ctx.oidc.urlFor('end_session_success'));
  else redirectToClient(ctx, withQuery(target, state === undefined ? {} : { state }));
}

// The engine has checked that the client has registered it.
function targetOf({ oidc }: Ctx): string | undefined {
  return (oidc.params as { post_logout_redirect_uri?: string }).post_logout_redirect_uri;
}

// The engine writes the URI anew when it adds `state`.
function returnToClient(ctx: Context, oidc: object): void {
  const { postLogoutRedirectUri: target, state } = logoutStateOf(oidc);
  if (target !== undefined) redirectToClient(ctx, withQuery(target, state === undefined ? {} : { state }));
}
