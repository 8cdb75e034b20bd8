// The pages that the engine shows by itself: errors, the device flow, signing out.

import type { Context } from 'koa';
import type { KoaContextWithOIDC } from 'oidc-provider';
import type { Services } from '../core/services.ts';
import { isUnavailable } from '../core/unavailable.ts';
import {
  type DeviceCodeProblem,
  renderDeviceCode,
  renderDeviceConfirm,
  renderDeviceResult,
} from '../pages/device.ts';
import { renderLoggedOut, renderLogout } from '../pages/logout.ts';
import type { EnginePages } from './configuration.ts';
import { brandOf, path, showError, showPage, showUnavailable } from './html.ts';

/** The pages in the look of this deployment. */
export function enginePages(services: Services): EnginePages {
  const brand = brandOf(services);
  const show = (ctx: KoaContextWithOIDC, html: string, formTargets: string[] = []) =>
    showPage(services, ctx as unknown as Context, html, {
      formTargets,
      status: ctx.status === 404 ? 200 : ctx.status,
    });
  return {
    async renderError(ctx, out, error) {
      if (isUnavailable(error)) return showUnavailable(services, ctx as unknown as Context);
      const isExpired =
        error.name === 'SessionNotFound' || /interaction|session|xsrf/.test(out.error_description ?? '');
      const code = isExpired && out.error === 'invalid_request' ? 'page_expired' : out.error;
      const description = out.error_description === undefined ? {} : { description: out.error_description };
      showError(services, ctx as unknown as Context, code, ctx.status, description);
    },
    async userCodeInputSource(ctx, _form, out, err) {
      if (err && isUnavailable(err)) return showUnavailable(services, ctx as unknown as Context);
      // The code may well be right; to say that nobody has it would be wrong.
      if (out?.error === 'server_error')
        return showError(services, ctx as unknown as Context, 'server_error', 500);
      const isLimited = err?.message === 'rate_limited';
      ctx.status = isLimited ? 429 : 200;
      if (err?.name === 'AbortedError')
        return show(ctx, renderDeviceResult(brand, { outcome: 'denied', ...again(services) }));
      const problem = err ? { problem: isLimited ? tooMany(ctx) : problemOf(err.name) } : {};
      const code = (err as { userCode?: string } | undefined)?.userCode;
      show(
        ctx,
        renderDeviceCode(brand, {
          form: deviceForm(ctx),
          ...problem,
          ...(code === undefined ? {} : { code }),
        }),
      );
    },
    async userCodeConfirmSource(ctx, _form, client, info, code) {
      const { ip = null, ua = null } = (info ?? {}) as { ip?: string; ua?: string };
      const form = { ...deviceForm(ctx), hidden: { user_code: code } };
      const name = client.clientName ?? client.clientId;
      const origin = { ip, userAgent: ua };
      show(
        ctx,
        renderDeviceConfirm(brand, {
          form,
          code,
          client: { name },
          origin,
          now: new Date(services.clock.now()),
        }),
      );
    },
    async successSource(ctx) {
      const client = nameOf(ctx);
      const accountUrl = path(services, '/account');
      show(
        ctx,
        renderDeviceResult(brand, { outcome: 'connected', accountUrl, ...(client ? { client } : {}) }),
      );
    },
    async logoutSource(ctx) {
      const client = nameOf(ctx);
      const form = { action: ctx.oidc.urlFor('end_session_confirm'), csrf: secretOf(ctx) };
      const target = (ctx.oidc.params as { post_logout_redirect_uri?: string }).post_logout_redirect_uri;
      show(ctx, renderLogout(brand, { form, ...(client ? { client } : {}) }), target ? [target] : []);
    },
    async postLogoutSuccessSource(ctx) {
      const client = nameOf(ctx);
      show(
        ctx,
        renderLoggedOut(brand, { signInUrl: path(services, '/account'), ...(client ? { client } : {}) }),
      );
    },
  };
}

function again(services: Services): { retryUrl: string } {
  return { retryUrl: path(services, '/device') };
}

function tooMany(ctx: KoaContextWithOIDC): DeviceCodeProblem {
  return { kind: 'too_many_attempts', retryAfter: Number(ctx.response.get('Retry-After')) || 60 };
}

function problemOf(name: string): DeviceCodeProblem {
  const kinds: Record<string, 'missing' | 'not_found' | 'expired' | 'used'> = {
    NoCodeError: 'missing',
    ExpiredError: 'expired',
    AlreadyUsedError: 'used',
  };
  return { kind: kinds[name] ?? 'not_found' };
}

function deviceForm(ctx: KoaContextWithOIDC): { action: string; csrf: string } {
  return { action: ctx.oidc.urlFor('code_verification'), csrf: secretOf(ctx) };
}

// The engine's own proof that its forms were sent from its pages; it lives in the browser session.
function secretOf(ctx: KoaContextWithOIDC): string {
  return (ctx.oidc.session as unknown as { state?: { secret?: string } } | undefined)?.state?.secret ?? '';
}

function nameOf({ oidc }: KoaContextWithOIDC): { name: string; url?: string } | null {
  if (!oidc.client) return null;
  const { clientName, clientId, clientUri } = oidc.client;
  return { name: clientName ?? clientId, ...(clientUri ? { url: clientUri } : {}) };
}
