// The consent page of an authorization request: which scopes it asks for, and storing the user's decision.
import type { Interaction } from 'oidc-provider';
import { addConsent } from '../../core/actions/consents.ts';
import { keepDocumentClient } from '../../core/clients/document_clients.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import type { Granted } from '../../core/users/consents.ts';
import { displayName, findUser } from '../../core/users/users.ts';
import { renderConsent } from '../../pages/consent.ts';
import { noScope } from '../../pages/scopes.ts';
import { clientRow } from '../request/context.ts';
import { findConsentedScopes } from '../request/grant.ts';
import { includesOfflineAccess, scopeViewsOf } from './consent_scopes.ts';
import { field } from './form.ts';
import {
  cspOptions,
  denyAccess,
  type EngineClient,
  formTarget,
  type InteractionRequest,
  redirectUriOf,
  resumeInteraction,
} from './interaction_request.ts';
import { brandOf, sendErrorPage, sendPage } from './page_response.ts';

/** Answers with the consent page. */
export async function sendConsentPage(request: InteractionRequest): Promise<void> {
  const { deps, ctx, interaction, client } = request;
  const user = await findUser(deps.db, interaction.session?.accountId ?? '');
  if (!user) return sendErrorPage(deps, ctx, 'page_expired', 400);
  const row = clientRow(client);
  const html = renderConsent(brandOf(deps), {
    form: formTarget(request, 'consent'),
    switchUser: formTarget(request, 'switch'),
    client: {
      name: client.clientName ?? client.clientId,
      redirectUri: redirectUriOf(interaction),
      isVerified: row.registered_by === 'admin',
      logoUrl: client.logoUri ?? null,
      tosUrl: client.tosUri ?? null,
      policyUrl: client.policyUri ?? null,
    },
    user: { username: displayName(user), email: user.email },
    scopes: withOfflineAccess(client, await scopesOf(request, user.id)),
  });
  sendPage(deps, ctx, html, {
    ...cspOptions(request),
    imageUrls: client.logoUri ? [client.logoUri] : [],
  });
}

// The page asks for the scopes that are missing, and lists separately those that the user has allowed before.
async function scopesOf({ deps, interaction, client }: InteractionRequest, user_id: string) {
  const missing = missingOf(interaction);
  const known = await findConsentedScopes(deps, user_id, client.clientId, interaction.params);
  const [fresh = [], before = []] = await scopeViewsOf(deps.db, [missing, known]);
  if (fresh.length + before.length === 0) return [{ name: noScope, isNew: true }];
  return [
    ...fresh.map((scope) => ({ ...scope, isNew: true })),
    ...before.map((scope) => ({ ...scope, isNew: false })),
  ];
}

// A client that gets a refresh token keeps its access while the user is away, whether or not it asked for
// `offline_access`.
function withOfflineAccess(client: EngineClient, scopes: Awaited<ReturnType<typeof scopesOf>>) {
  if (includesOfflineAccess(scopes) || !client.grantTypeAllowed('refresh_token')) return scopes;
  return [...scopes, { name: 'offline_access', isNew: scopes.every((scope) => scope.isNew) }];
}

function missingOf({ prompt }: Interaction): Granted {
  const { missingOIDCScope, missingOIDCClaims, missingResourceScopes } = prompt.details as {
    missingOIDCScope?: string[];
    missingOIDCClaims?: string[];
    missingResourceScopes?: Record<string, string[]>;
  };
  return {
    openid: missingOIDCScope ?? [],
    claims: missingOIDCClaims ?? [],
    resources: missingResourceScopes ?? {},
  };
}

/** Stores the user's decision on the scopes that the page of this interaction showed, not of another open page. */
export async function decideConsent(request: InteractionRequest): Promise<void> {
  const { deps, ctx, interaction, client } = request;
  if (field(ctx, 'decision') !== 'allow') return await denyAccess(request);
  const user_id = interaction.session?.accountId;
  if (!user_id || interaction.prompt.name !== 'consent') return sendErrorPage(deps, ctx, 'page_expired', 400);
  const source = requestSourceOf(ctx);
  await keepDocumentClient(deps.db, clientRow(client), source);
  const granted = await addConsent(deps.db, user_id, client.clientId, missingOf(interaction));
  if (!granted) return sendErrorPage(deps, ctx, 'page_expired', 400);
  await resumeInteraction(request, { consent: {} }, true);
}
