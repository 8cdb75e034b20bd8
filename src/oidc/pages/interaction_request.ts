// A request for a page of an interaction, and the result that it returns to the engine.
import type { Context } from 'koa';
import type { Interaction, Provider } from 'oidc-provider';
import type { Deps } from '../../core/deps.ts';
import { InteractionChanged, seenByRequest } from '../request/seen.ts';
import { csrfToken } from './form.ts';
import { publicPath, redirect } from './page_response.ts';
import { restoreResumeCookie } from './repeated_forms.ts';

export type EngineClient = NonNullable<Awaited<ReturnType<Provider['Client']['find']>>>;

/** A request for a page of an interaction: what the engine asks the user for, and for which client. */
export interface InteractionRequest {
  deps: Deps;
  provider: Provider;
  ctx: Context;
  interaction: Interaction;
  client: EngineClient;
}

type Result = Parameters<Provider['interactionResult']>[2];

/** What a route of an interaction does. */
export type Step = (request: InteractionRequest) => Promise<void>;

/** Gives the engine the result of the page and redirects the browser to it. `merge` keeps the earlier results as well. */
export async function resumeInteraction(
  { provider, ctx, interaction }: InteractionRequest,
  result: Result,
  merge = false,
): Promise<void> {
  const returnTo =
    (await saveResult(interaction, result, merge)) ??
    (await provider.interactionResult(ctx.req, ctx.res, result, { mergeWithLastSubmission: merge }));
  restoreResumeCookie(ctx, provider, interaction);
  redirect(ctx, returnTo);
}

// Saves the result as the engine does, without reading the interaction again. Null, and nothing is saved, when another request has
// written it meanwhile, as a form that is submitted twice does: then the engine reads it again.
async function saveResult(interaction: Interaction, result: Result, merge: boolean): Promise<string | null> {
  const { interaction: stored } = seenByRequest();
  if (!stored) return null;
  const { result: before } = interaction;
  interaction.result = merge && !('error' in result) ? { ...interaction.lastSubmission, ...result } : result;
  stored.isReplaced = true;
  try {
    await interaction.save(interaction.exp - Math.floor(Date.now() / 1000));
    return interaction.returnTo;
  } catch (error) {
    if (!(error instanceof InteractionChanged)) throw error;
    interaction.result = before;
    return null;
  } finally {
    stored.isReplaced = false;
  }
}

/** Ends the request with `access_denied`. */
export async function denyAccess(request: InteractionRequest): Promise<void> {
  await resumeInteraction(request, { error: 'access_denied', error_description: 'The user denied access.' });
}

/** The action and the CSRF token of a form of the page. */
export function formTarget(
  { deps, interaction }: InteractionRequest,
  action: string,
): { action: string; csrf: string } {
  return {
    action: publicPath(deps, `/interaction/${interaction.uid}/${action}`),
    csrf: csrfToken(deps, interaction.uid),
  };
}

/** For the page's CSP: its forms lead through redirects of ours to the client, except in the device flow. */
export function cspOptions({ interaction }: InteractionRequest): { leadsToClient: boolean } {
  return { leadsToClient: redirectUriOf(interaction) !== null };
}

/** The redirect URI of the request; null in the device flow, which has none. */
export function redirectUriOf({ params }: Interaction): string | null {
  const { redirect_uri } = params as { redirect_uri?: string };
  return redirect_uri ?? null;
}
