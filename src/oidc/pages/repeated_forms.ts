// A form that is sent twice, by a double click or the back button, leads where it led before and not to "This page has
// expired". Browsers drop the answer to the first click for the second, so the second one counts.
import type { Context, Middleware } from 'koa';
import { errors, type KoaContextWithOIDC, type Provider } from 'oidc-provider';
import type { Deps } from '../../core/deps.ts';
import { findSealedModel, saveModel } from '../../core/engine_records/engine_records.ts';

/** Seconds for which the same form has the same effect again. */
const again = 60;

type EngineInteraction = InstanceType<Provider['Interaction']>;

/** What this subclass and the engine keep in an interaction beside its declared members. */
interface Repeatable extends EngineInteraction {
  isDone?: boolean;
  parJti?: string | undefined;
}

/**
 * The subclass for `Interaction`: after it has led on it can be answered once more for a minute, by the browser that it
 * belongs to. Each answer leads to the client with a code of its own: a client has usually exchanged the first code by
 * then, and the same code once more would end the session that it opened (RFC 6749, 4.1.2).
 */
export function repeatableInteraction(base: Provider['Interaction']): Provider['Interaction'] {
  return class Interaction extends base {
    declare isDone?: boolean;

    static override get IN_PAYLOAD(): string[] {
      return [...base.IN_PAYLOAD, 'isDone'];
    }

    // Without what was answered: whoever has the cookie by which the engine goes on would otherwise be signed in by a password
    // that somebody else has typed. The form that is sent again brings its own answer.
    override async destroy(): Promise<void> {
      this.isDone = true;
      this.result = undefined;
      this.exp = Math.min(this.exp ?? Infinity, Math.floor(Date.now() / 1000) + again);
      await this.save(again);
    }
  };
}

/** Whether an interaction has been answered and has led on. */
export function isFinished(interaction: EngineInteraction): boolean {
  return (interaction as Repeatable).isDone === true;
}

/** Gives the browser back what it needs to go on with an interaction that has led on before. */
export function restoreResumeCookie(ctx: Context, provider: Provider, interaction: EngineInteraction): void {
  if (!isFinished(interaction)) return;
  ctx.cookies.set(provider.cookieName('resume'), interaction.uid, {
    httpOnly: true,
    sameSite: 'lax',
    path: new URL(interaction.returnTo).pathname,
    maxAge: again * 1000,
  });
}

/** What a form of the engine's pages led to. */
export type FormAnswer = { location: string } | { outcome: 'connected' | 'denied'; client?: string };

const model = 'FormAnswer';

/** Around the engine: remembers what its forms led to, each under the proof that it carried. */
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
  const xsrf = proofOf(oidc);
  if (!['code_verification', 'end_session_confirm'].includes(oidc.route) || !xsrf || ctx.state.isRepeated)
    return;
  const outcome = ctx.state.deviceOutcome as FormAnswer | undefined;
  const answer = ctx.status === 303 ? { location: ctx.response.get('location') } : outcome;
  if (!answer) return;
  const { db, keyring } = deps;
  await saveModel(db, keyring, { model, id: xsrf, payload: { ...answer }, ttl: again });
}

// The pushed request has been used, by this very interaction: to use it again is no second use.
async function releasePushedRequest({ entities }: KoaContextWithOIDC['oidc']): Promise<void> {
  const interaction = entities.Interaction as Repeatable | undefined;
  if (!interaction?.isDone || interaction.parJti === undefined) return;
  interaction.parJti = undefined;
  await interaction.save(again);
}

/** What the form of this request led to a short while ago, if the engine refuses it because it was sent before. */
export async function findFormAnswer(
  { db, keyring }: Deps,
  ctx: KoaContextWithOIDC,
  error: unknown,
): Promise<FormAnswer | null> {
  const xsrf = ctx.oidc && proofOf(ctx.oidc);
  if (ctx.method !== 'POST' || !xsrf || !wasUsed(error)) return null;
  // Signed in again since: to say that the user is signed out would be wrong.
  if (ctx.oidc.route === 'end_session_confirm' && ctx.oidc.params?.logout && ctx.oidc.session?.accountId)
    return null;
  const found = await findSealedModel(db, keyring, model, xsrf);
  if (!found || found.is_expired) return null;
  ctx.state.isRepeated = true;
  return found.payload as FormAnswer;
}

// From the body: of the parameters only those of the authorization request are left by now.
function proofOf(oidc: object): string | null {
  const { xsrf } = (oidc as { body?: { xsrf?: unknown } }).body ?? {};
  return typeof xsrf === 'string' && xsrf !== '' ? xsrf : null;
}

function wasUsed(error: unknown): boolean {
  if ((error as Error).name === 'AlreadyUsedError') return true;
  const { error_description: said = '' } = error as { error_description?: string };
  return (
    error instanceof errors.InvalidRequest &&
    /^(xsrf token invalid|could not find (device form|logout) details)$/.test(said)
  );
}
