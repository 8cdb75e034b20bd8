// When an authorization request stops to ask its user.
import { interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';
import { clientRow } from './request/context.ts';
import { findUnallowed } from './request/grant.ts';

/** The values of `prompt`, for discovery (Initiating User Registration 1.0, 4). */
export const promptValues = ['none', 'login', 'consent', 'select_account'];

/**
 * The engine's prompts, with rules of ours: a user who may no longer log in has to log in; a third-party client asks for consent even if it
 * asks for no scope at all, or for none of an API that it names; and of native clients only third-party ones always do.
 */
export function loginPrompts(): interactionPolicy.DefaultPolicy {
  const { Check, Prompt } = interactionPolicy;
  const prompts = interactionPolicy.base();
  prompts.add(new Prompt({ name: 'select_account', requestable: true }), 1);
  const login = prompts.get('login');
  const consent = prompts.get('consent');
  login?.checks.add(
    new Check('user_inactive', 'End-User may not use this account', ({ oidc }) =>
      Boolean(oidc.session?.accountId && !oidc.account),
    ),
  );
  consent?.checks.add(
    new Check(
      'access_not_allowed',
      'access without scopes not granted',
      'consent_required',
      (ctx) => findUnallowed(ctx) !== null,
      (ctx) => ({ missingResourceScopes: findUnallowed(ctx) ?? {} }),
    ),
  );
  consent?.checks.remove('native_client_prompt');
  consent?.checks.add(
    new Check(
      'native_client_prompt',
      'native clients require End-User interaction',
      'interaction_required',
      isForeignNative,
    ),
  );
  return prompts;
}

function isForeignNative({ oidc }: KoaContextWithOIDC): boolean {
  // By the registered type alone: a web page under development at a loopback address cannot be impersonated.
  const row = clientRow(oidc.client);
  const isNative = row.metadata.application_type === 'native' && !row.first_party;
  return isNative && !oidc.result?.consent;
}
