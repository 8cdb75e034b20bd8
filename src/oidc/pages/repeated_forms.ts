// A form that is submitted twice, by a double click or the back button, leads to the same place twice and not to "This page
// has expired". On a double click browsers discard the first response, so the second one must be right.
import type { Context, Middleware } from 'koa';
import { errors, type KoaContextWithOIDC, type Provider } from 'oidc-provider';
import type { Deps } from '../../core/deps.ts';
import { findSealedRecord } from '../../core/engine_records/engine_records.ts';
import { saveRecord } from '../../core/engine_records/save_record.ts';

/** Seconds in which a form may be submitted again with the same effect. */
const repeatWindow = 60;

type EngineInteraction = InstanceType<Provider['Interaction']>;

/** An interaction with the members that its declaration lacks: ours, and one of the engine. */
interface RepeatableInteraction extends EngineInteraction {
  isDone?: boolean;
  parJti?: string | undefined;
}

/**
 * The subclass for `Interaction`: for a minute after it has finished, the browser that it belongs to can submit its form
 * again. Each submission redirects to the client with a new authorization code: the client has usually exchanged the first
 * code by then, and a second use of that code would end the session that it opened (RFC 6749, 4.1.2).
 */
export function repeatableInteraction(base: Provider['Interaction']): Provider['Interaction'] {
  return class Interaction extends base {
    declare isDone?: boolean;

    static override get IN_PAYLOAD(): string[] {
      return [...base.IN_PAYLOAD, 'isDone'];
    }

    // The result is removed. Otherwise the cookie with which the engine resumes the request would be enough to be signed in
    // by a password that was submitted before. A form that is submitted again brings its own result.
    override async destroy(): Promise<void> {
      this.isDone = true;
      this.result = undefined;
      this.exp = Math.min(this.exp ?? Infinity, Math.floor(Date.now() / 1000) + repeatWindow);
      await this.save(repeatWindow);
    }
  };
}

/** Whether an interaction was answered and the request has been resumed. */
export function isFinished(interaction: EngineInteraction): boolean {
  return (interaction as RepeatableInteraction).isDone === true;
}

/** Sets the resume cookie again for an interaction that has finished; the engine deleted it when it resumed the request. */
export function restoreResumeCookie(ctx: Context, provider: Provider, interaction: EngineInteraction): void {
  if (!isFinished(interaction)) return;
  ctx.cookies.set(provider.cookieName('resume'), interaction.uid, {
    httpOnly: true,
    sameSite: 'lax',
    path: new URL(interaction.returnTo).pathname,
    maxAge: repeatWindow * 1000,
  });
}

/** The outcome of a form of the engine's pages: a redirect, or a device connected or denied. */
export type FormAnswer = { location: string } | { outcome: 'connected' | 'denied'; client?: string };

const model = 'FormAnswer';

/** Wraps the engine: keeps the outcome of its forms, each under the `xsrf` token that the form carried. */
export function keepFormAnswers(deps: Deps, provider: Provider): Middleware {
  provider.on('authorization.success', (ctx) => {
    ctx.state.isAuthorized = true;
  });
  return async (ctx, next) => {
    await next();
    const { oidc } = ctx as Partial<KoaContextWithOIDC>;
    if (!oidc) return;
    if (ctx.method === 'POST') await keepFormAnswer(deps, ctx, oidc);
    else if (ctx.state.isAuthorized) await releasePushedRequest(oidc);
  };
}

async function keepFormAnswer(deps: Deps, ctx: Context, oidc: KoaContextWithOIDC['oidc']): Promise<void> {
  const xsrf = xsrfOf(oidc);
  if (!['code_verification', 'end_session_confirm'].includes(oidc.route) || !xsrf || ctx.state.isRepeatedForm)
    return;
  const outcome = ctx.state.deviceOutcome as FormAnswer | undefined;
  const answer = ctx.status === 303 ? { location: ctx.response.get('location') } : outcome;
  if (!answer) return;
  const { db, keyring } = deps;
  await saveRecord(db, keyring, { model, id: xsrf, payload: { ...answer }, ttl: repeatWindow });
}

// This interaction itself has used the pushed request, so the engine must not refuse a repetition as a second use.
async function releasePushedRequest({ entities }: KoaContextWithOIDC['oidc']): Promise<void> {
  const interaction = entities.Interaction as RepeatableInteraction | undefined;
  if (!interaction?.isDone || interaction.parJti === undefined) return;
  interaction.parJti = undefined;
  await interaction.save(repeatWindow);
}

/** The kept outcome of the form in this request, if the engine refuses the form because it was submitted before. */
export async function findFormAnswer(
  { db, keyring }: Deps,
  ctx: KoaContextWithOIDC,
  error: unknown,
): Promise<FormAnswer | null> {
  const xsrf = ctx.oidc && xsrfOf(ctx.oidc);
  if (ctx.method !== 'POST' || !xsrf || !isAlreadyUsed(error)) return null;
  // The user has signed in again since, so "You are signed out" would be wrong.
  if (ctx.oidc.route === 'end_session_confirm' && ctx.oidc.params?.logout && ctx.oidc.session?.accountId)
    return null;
  const found = await findSealedRecord(db, keyring, model, xsrf);
  if (!found || found.is_expired) return null;
  ctx.state.isRepeatedForm = true;
  return found.payload as FormAnswer;
}

// Read from the body, because `oidc.params` holds only the parameters of the authorization request by now.
function xsrfOf(oidc: object): string | null {
  const { xsrf } = (oidc as { body?: { xsrf?: unknown } }).body ?? {};
  return typeof xsrf === 'string' && xsrf !== '' ? xsrf : null;
}

function isAlreadyUsed(error: unknown): boolean {
  if ((error as Error).name === 'AlreadyUsedError') return true;
  const { error_description: description = '' } = error as { error_description?: string };
  return (
    error instanceof errors.InvalidRequest &&
    /^(xsrf token invalid|could not find (device form|logout) details)$/.test(description)
  );
}
