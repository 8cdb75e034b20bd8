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
import { brandOf, path, redirect, showError, showPage, showUnavailable } from './html.ts';
import { type FormAnswer, findFormAnswer } from './repeated_forms.ts';

/** The pages in the look of this deployment. */
export function enginePages(services: Services): EnginePages {
  const brand = brandOf(services);
  const show = (ctx: KoaContextWithOIDC, html: string, formTargets: string[] = []) =>
    showPage(services, ctx as unknown as Context, html, {
      formTargets,
      status: ctx.status === 404 ? 200 : ctx.status,
    });
  const showOutcome = async (ctx: KoaContextWithOIDC, outcome: 'connected' | 'denied', known?: string) => {
    const name = known ?? (await findClientName(ctx));
    const client = name === undefined ? {} : { client: { name } };
    ctx.state.deviceOutcome = { outcome, ...(name === undefined ? {} : { client: name }) };
    const more = outcome === 'connected' ? { accountUrl: path(services, '/account') } : again(services);
    ctx.status = 200;
    show(ctx, renderDeviceResult(brand, { outcome, ...more, ...client }));
  };
  const repeat = async (ctx: KoaContextWithOIDC, answer: FormAnswer) => {
    if ('location' in answer) redirect(ctx as unknown as Context, answer.location);
    else await showOutcome(ctx, answer.outcome, answer.client);
  };
  return {
    async renderError(ctx, out, error) {
      if (isUnavailable(error)) return showUnavailable(services, ctx as unknown as Context);
      const answer = await findFormAnswer(services, ctx, error);
      if (answer) return await repeat(ctx, answer);
      const isExpired =
        error.name === 'SessionNotFound' ||
        /interaction|session|xsrf|could not find/.test(out.error_description ?? '');
      const code = isExpired && out.error === 'invalid_request' ? 'page_expired' : out.error;
      showError(services, ctx as unknown as Context, code, ctx.status, reasonOf(ctx, out));
    },
    async userCodeInputSource(ctx, _form, out, err) {
      if (err && isUnavailable(err)) return showUnavailable(services, ctx as unknown as Context);
      // The code may well be right; to say that nobody has it would be wrong.
      if (out?.error === 'server_error')
        return showError(services, ctx as unknown as Context, 'server_error', 500);
      const answer = err ? await findFormAnswer(services, ctx, err) : null;
      if (answer) return await repeat(ctx, answer);
      const isLimited = err?.message === 'rate_limited';
      ctx.status = isLimited ? 429 : 200;
      const outcome = err ? await outcomeOf(ctx, err) : null;
      if (outcome) return await showOutcome(ctx, outcome);
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
    successSource: async (ctx) => await showOutcome(ctx, 'connected'),
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

// What the person may read to the app's developers: which parameter, which address, which app.
function reasonOf(ctx: KoaContextWithOIDC, out: { error: string; error_description?: string | undefined }) {
  const { client_id, redirect_uri } = (ctx.oidc?.params ?? {}) as {
    client_id?: string;
    redirect_uri?: string;
  };
  const name = nameOf(ctx)?.name ?? client_id;
  return {
    ...(out.error_description === undefined ? {} : { description: out.error_description }),
    ...(out.error === 'invalid_redirect_uri' && redirect_uri ? { redirectUri: redirect_uri } : {}),
    // Without its address: where the request is wrong, no one has said that the app is who it claims to be.
    ...(name === undefined ? {} : { client: { name } }),
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

// What became of a device when the engine stops: the user said no, or the same form was sent again after it had led to
// its end.
async function outcomeOf(ctx: KoaContextWithOIDC, error: Error): Promise<'connected' | 'denied' | null> {
  if (error.name === 'AbortedError') return 'denied';
  const id = (ctx.oidc.entities.Interaction as { deviceCode?: string } | undefined)?.deviceCode;
  if (error.name !== 'AlreadyUsedError' || ctx.oidc.route !== 'device_resume' || !id) return null;
  const options = { ignoreExpiration: true, ignoreSessionBinding: true };
  const code = await ctx.oidc.provider.DeviceCode.find(id, options as never);
  if (code?.error) return 'denied';
  return code?.accountId !== undefined && code.accountId === ctx.oidc.session?.accountId ? 'connected' : null;
}

// Where the engine stops early it has not looked the client up yet.
async function findClientName({ oidc }: KoaContextWithOIDC): Promise<string | undefined> {
  const { Interaction: interaction, DeviceCode: code } = oidc.entities;
  const id =
    code?.clientId ?? (interaction as { params?: { client_id?: string } } | undefined)?.params?.client_id;
  const client = oidc.client ?? (id === undefined ? undefined : await oidc.provider.Client.find(id));
  return client && (client.clientName ?? client.clientId);
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
