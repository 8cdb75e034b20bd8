// The pages of the device flow: entering the user code, confirming the device, the outcome.
import type { KoaContextWithOIDC } from 'oidc-provider';
import type { Deps } from '../../core/deps.ts';
import { isUnavailable } from '../../core/store/database_errors.ts';
import {
  type DeviceCodeProblem,
  renderDeviceCode,
  renderDeviceConfirm,
  renderDeviceResult,
} from '../../pages/device.ts';
import { type EnginePages, sendEnginePage, xsrfTokenOf } from './engine_response.ts';
import { brandOf, publicPath, redirect, sendErrorPage, sendUnavailablePage } from './page_response.ts';
import { type FormAnswer, findFormAnswer } from './repeated_forms.ts';

type Ctx = KoaContextWithOIDC;
type DevicePages = Pick<EnginePages, 'userCodeInputSource' | 'userCodeConfirmSource' | 'successSource'>;

/** The device flow's pages with the name, logo and colours of this deployment. */
export function devicePages(deps: Deps): DevicePages {
  return {
    async userCodeInputSource(ctx, _form, out, err) {
      if (err && isUnavailable(err)) return sendUnavailablePage(deps, ctx);
      // The code may be right, so the page must not call it wrong.
      if (out?.error === 'server_error') return sendErrorPage(deps, ctx, 'server_error', 500);
      const answer = err ? await findFormAnswer(deps, ctx, err) : null;
      if (answer) return await repeatAnswer(deps, ctx, answer);
      const isLimited = err?.message === 'rate_limited';
      ctx.status = isLimited ? 429 : 200;
      const outcome = err ? await findDeviceOutcome(ctx, err) : null;
      if (outcome) return await sendDeviceOutcome(deps, ctx, outcome);
      const problem = err ? { problem: isLimited ? tooManyAttempts(ctx) : codeProblemOf(err.name) } : {};
      const code = (err as { userCode?: string } | undefined)?.userCode ?? ctx.state.prefilledUserCode;
      const page = { form: deviceForm(ctx), ...problem, ...(code === undefined ? {} : { code }) };
      sendEnginePage(deps, ctx, renderDeviceCode(brandOf(deps), page));
    },
    async userCodeConfirmSource(ctx, _form, client, info, code) {
      const { ip = null, ua = null } = (info ?? {}) as { ip?: string; ua?: string };
      const page = {
        form: { ...deviceForm(ctx), hidden: { user_code: code } },
        code,
        client: { name: client.clientName ?? client.clientId },
        source: { ip, userAgent: ua },
        now: new Date(deps.clock.now()),
      };
      sendEnginePage(deps, ctx, renderDeviceConfirm(brandOf(deps), page));
    },
    successSource: async (ctx) => await sendDeviceOutcome(deps, ctx, 'connected'),
  };
}

// The last page of the device flow. A form that is submitted again leads here too.
async function sendDeviceOutcome(
  deps: Deps,
  ctx: Ctx,
  outcome: 'connected' | 'denied',
  clientName?: string,
): Promise<void> {
  const name = clientName ?? (await findClientName(ctx));
  ctx.state.deviceOutcome = { outcome, ...(name === undefined ? {} : { client: name }) };
  ctx.status = 200;
  const page = {
    outcome,
    ...(outcome === 'connected'
      ? { accountUrl: publicPath(deps, '/account') }
      : { retryUrl: publicPath(deps, '/device') }),
    ...(name === undefined ? {} : { client: { name } }),
  };
  sendEnginePage(deps, ctx, renderDeviceResult(brandOf(deps), page));
}

/** Answers as the same form was answered before. */
export async function repeatAnswer(deps: Deps, ctx: Ctx, answer: FormAnswer): Promise<void> {
  if ('location' in answer) redirect(ctx, answer.location);
  else await sendDeviceOutcome(deps, ctx, answer.outcome, answer.client);
}

function tooManyAttempts(ctx: Ctx): DeviceCodeProblem {
  return { kind: 'too_many_attempts', retryAfter: Number(ctx.response.get('Retry-After')) || 60 };
}

function codeProblemOf(name: string): DeviceCodeProblem {
  const kinds: Record<string, 'missing' | 'not_found' | 'expired' | 'used'> = {
    NoCodeError: 'missing',
    ExpiredError: 'expired',
    AlreadyUsedError: 'used',
  };
  return { kind: kinds[name] ?? 'not_found' };
}

function deviceForm(ctx: Ctx): { action: string; csrf: string } {
  return { action: ctx.oidc.urlFor('code_verification'), csrf: xsrfTokenOf(ctx) };
}

// The outcome of a device flow that the engine stops: the user denied access, or the form was submitted again after the flow
// had finished.
async function findDeviceOutcome(ctx: Ctx, error: Error): Promise<'connected' | 'denied' | null> {
  if (error.name === 'AbortedError') return 'denied';
  const id = ctx.oidc.entities.Interaction?.deviceCode;
  if (error.name !== 'AlreadyUsedError' || ctx.oidc.route !== 'device_resume' || !id) return null;
  const options = { ignoreExpiration: true, ignoreSessionBinding: true };
  const code = await ctx.oidc.provider.DeviceCode.find(id, options);
  if (code?.error) return 'denied';
  return code?.accountId !== undefined && code.accountId === ctx.oidc.session?.accountId ? 'connected' : null;
}

// Where the engine stops early, it has not loaded the client yet.
async function findClientName({ oidc }: KoaContextWithOIDC): Promise<string | undefined> {
  const { Interaction: interaction, DeviceCode: code } = oidc.entities;
  const id = code?.clientId ?? (interaction?.params.client_id as string | undefined);
  const client = oidc.client ?? (id === undefined ? undefined : await oidc.provider.Client.find(id));
  return client && (client.clientName ?? client.clientId);
}
