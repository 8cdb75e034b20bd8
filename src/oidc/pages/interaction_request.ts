// One request for a page of an interaction: what the engine asks for, and how the interaction is resumed.
import type { Context } from 'koa';
import type { Interaction, Provider } from 'oidc-provider';
import type { Deps } from '../../core/deps.ts';
import { csrfToken } from './form.ts';
import { publicPath, redirect } from './page_response.ts';
import { restoreResumeCookie } from './repeated_forms.ts';

export type EngineClient = NonNullable<Awaited<ReturnType<Provider['Client']['find']>>>;

/** One visit to a page of an interaction: what the engine asks, and on whose behalf. */
export interface Visit {
  deps: Deps;
  provider: Provider;
  ctx: Context;
  interaction: Interaction;
  client: EngineClient;
}

export type Step = (visit: Visit) => Promise<void>;

export async function resumeInteraction(
  { provider, ctx, interaction }: Visit,
  result: Parameters<Provider['interactionResult']>[2],
  merge = false,
): Promise<void> {
  const returnTo = await provider.interactionResult(ctx.req, ctx.res, result, {
    mergeWithLastSubmission: merge,
  });
  restoreResumeCookie(ctx, provider, interaction);
  redirect(ctx, returnTo);
}

export async function cancel(visited: Visit): Promise<void> {
  await resumeInteraction(visited, { error: 'access_denied', error_description: 'the user said no' });
}

export function target({ deps, interaction }: Visit, action: string): { action: string; csrf: string } {
  return {
    action: publicPath(deps, `/interaction/${interaction.uid}/${action}`),
    csrf: csrfToken(deps, interaction.uid),
  };
}

// Forms of these pages end at the client's redirect URI, by way of ours.
export function shown({ interaction }: Visit): { formTargets: string[] } {
  const redirectUri = redirectUriOf(interaction);
  return { formTargets: redirectUri ? [redirectUri] : [] };
}

// None in the device flow.
export function redirectUriOf({ params }: Interaction): string | null {
  const { redirect_uri } = params as { redirect_uri?: string };
  return redirect_uri ?? null;
}
