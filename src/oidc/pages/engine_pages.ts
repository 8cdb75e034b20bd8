// The pages that the engine renders through its configuration: errors, the device flow, logout.
import type { KoaContextWithOIDC } from 'oidc-provider';
import type { Deps } from '../../core/deps.ts';
import { isUnavailable } from '../../core/store/database_errors.ts';
import { renderLoggedOut, renderLogout } from '../../pages/logout.ts';
import { devicePages, repeatAnswer } from './device_pages.ts';
import { type EnginePages, sendEnginePage, xsrfTokenOf } from './engine_response.ts';
import { brandOf, publicPath, sendErrorPage, sendUnavailablePage } from './page_response.ts';
import { findFormAnswer } from './repeated_forms.ts';

type Ctx = KoaContextWithOIDC;

/** The pages with the name, logo and colours of this deployment. */
export function enginePages(deps: Deps): EnginePages {
  return {
    async renderError(ctx, out, error) {
      if (isUnavailable(error)) return sendUnavailablePage(deps, ctx);
      const answer = await findFormAnswer(deps, ctx, error);
      if (answer) return await repeatAnswer(deps, ctx, answer);
      const isExpired =
        error.name === 'SessionNotFound' ||
        /interaction|session|xsrf|could not find/.test(out.error_description ?? '');
      const code = isExpired && out.error === 'invalid_request' ? 'page_expired' : out.error;
      sendErrorPage(deps, ctx, code, ctx.status, reasonOf(ctx, out));
    },
    ...devicePages(deps),
    ...logoutPages(deps),
  };
}

function logoutPages(deps: Deps): Pick<EnginePages, 'logoutSource' | 'postLogoutSuccessSource'> {
  const withClient = (ctx: Ctx) => {
    const client = nameOf(ctx);
    return client ? { client } : {};
  };
  return {
    async logoutSource(ctx) {
      const form = { action: ctx.oidc.urlFor('end_session_confirm'), csrf: xsrfTokenOf(ctx) };
      const target = (ctx.oidc.params as { post_logout_redirect_uri?: string }).post_logout_redirect_uri;
      const html = renderLogout(brandOf(deps), { form, ...withClient(ctx) });
      sendEnginePage(deps, ctx, html, target ? [target] : []);
    },
    async postLogoutSuccessSource(ctx) {
      const page = { signInUrl: publicPath(deps, '/account'), ...withClient(ctx) };
      sendEnginePage(deps, ctx, renderLoggedOut(brandOf(deps), page));
    },
  };
}

// What the user can report to the app's developers: the parameter, the address, the app.
function reasonOf(ctx: Ctx, out: { error: string; error_description?: string | undefined }) {
  const { client_id, redirect_uri } = (ctx.oidc?.params ?? {}) as {
    client_id?: string;
    redirect_uri?: string;
  };
  const name = nameOf(ctx)?.name ?? client_id;
  return {
    ...(out.error_description === undefined ? {} : { description: out.error_description }),
    ...(out.error === 'invalid_redirect_uri' && redirect_uri ? { redirectUri: redirect_uri } : {}),
    // Without a link: where the request is invalid, nothing proves that it came from this app.
    ...(name === undefined ? {} : { client: { name } }),
  };
}

function nameOf({ oidc }: KoaContextWithOIDC): { name: string; url?: string } | null {
  if (!oidc.client) return null;
  const { clientName, clientId, clientUri } = oidc.client;
  return { name: clientName ?? clientId, ...(clientUri ? { url: clientUri } : {}) };
}
