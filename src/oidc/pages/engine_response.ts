// Answering for the engine: which functions its configuration wants, and what all pages of the engine share.
import type { Configuration, KoaContextWithOIDC } from 'oidc-provider';
import type { Deps } from '../../core/deps.ts';
import { sendPage } from './page_response.ts';

type Ctx = KoaContextWithOIDC;
type Features = NonNullable<Configuration['features']>;
type DeviceFlow = Required<NonNullable<Features['deviceFlow']>>;
type Logout = Required<NonNullable<Features['rpInitiatedLogout']>>;

/** The functions of the engine's configuration that render a page. */
export interface EnginePages {
  renderError: NonNullable<Configuration['renderError']>;
  userCodeInputSource: DeviceFlow['userCodeInputSource'];
  userCodeConfirmSource: DeviceFlow['userCodeConfirmSource'];
  successSource: DeviceFlow['successSource'];
  logoutSource: Logout['logoutSource'];
  postLogoutSuccessSource: Logout['postLogoutSuccessSource'];
}

/** Answers with a page of the engine. */
export function sendEnginePage(
  deps: Deps,
  ctx: Ctx,
  html: string,
  options: { leadsToClient?: boolean } = {},
): void {
  const status = ctx.status === 404 ? 200 : ctx.status;
  sendPage(deps, ctx, html, { ...options, status });
}

/** The engine's own CSRF token, which it keeps in the browser session. */
export function xsrfTokenOf(ctx: Ctx): string {
  const secret = ctx.oidc.session?.state?.secret;
  return typeof secret === 'string' ? secret : '';
}

/** The name and the website of the request's client, or null. */
export function nameOf({ oidc }: Ctx): { name: string; url?: string } | null {
  if (!oidc.client) return null;
  const { clientName, clientId, clientUri } = oidc.client;
  return { name: clientName ?? clientId, ...(clientUri ? { url: clientUri } : {}) };
}
