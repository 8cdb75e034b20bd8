// The pages that the engine renders through its configuration. Errors are here; device_pages.ts and logout_pages.ts have the others.
import type { KoaContextWithOIDC } from 'oidc-provider';
import type { Deps } from '../../core/deps.ts';
import { isUnavailable } from '../../core/store/database_errors.ts';
import { AppError } from '../../lib/errors.ts';
import { devicePages, repeatAnswer } from './device_pages.ts';
import { type EnginePages, nameOf } from './engine_response.ts';
import { logoutPages } from './logout_pages.ts';
import { sendErrorPage, sendUnavailablePage } from './page_response.ts';
import { findFormAnswer } from './repeated_forms.ts';

type Ctx = KoaContextWithOIDC;

/** The pages with the name, logo and colours of this deployment. */
export function enginePages(deps: Deps): EnginePages {
  return {
    async renderError(ctx, out, error) {
      if (isUnavailable(error)) return sendUnavailablePage(deps, ctx);
      if (error instanceof AppError && error.status === 503) return sendUnavailablePage(deps, ctx, error);
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

// What the user can report to the app's developers: the parameter, the address, the app.
function reasonOf(ctx: Ctx, out: { error: string; error_description?: string | undefined }) {
  const { client_id, redirect_uri, post_logout_redirect_uri } = (ctx.oidc?.params ?? {}) as {
    client_id?: string;
    redirect_uri?: string;
    post_logout_redirect_uri?: string;
  };
  const address = out.error === 'invalid_redirect_uri' ? redirect_uri : post_logout_redirect_uri;
  const name = nameOf(ctx)?.name ?? client_id;
  return {
    ...(out.error_description === undefined ? {} : { description: out.error_description }),
    ...(address ? { redirectUri: address } : {}),
    // Without a link: where the request is invalid, nothing proves that it came from this app.
    ...(name === undefined ? {} : { client: { name } }),
  };
}
