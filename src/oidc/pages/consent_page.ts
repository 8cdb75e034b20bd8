// The consent page of an authorization request.
import type { Interaction } from 'oidc-provider';
import { addConsent, type Granted } from '../../core/actions/consents.ts';
import { keepDocumentClient } from '../../core/clients/document_clients.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import { findUser } from '../../core/users/users.ts';
import { renderConsent } from '../../pages/consent.ts';
import { clientRow } from '../request/context.ts';
import { findConsentedScopes } from '../request/grant.ts';
import { includesOfflineAccess, scopeViewsOf } from './consent_scopes.ts';
import { field } from './form.ts';
import {
  cancel,
  type EngineClient,
  redirectUriOf,
  resumeInteraction,
  shown,
  target,
  type Visit,
} from './interaction_request.ts';
import { brandOf, sendErrorPage, sendPage } from './page_response.ts';

export async function sendConsentPage(visited: Visit): Promise<void> {
  const { deps, ctx, interaction, client } = visited;
  const user = await findUser(deps.db, interaction.session?.accountId ?? '');
  if (!user) return sendErrorPage(deps, ctx, 'page_expired', 400);
  const row = clientRow(client);
  const html = renderConsent(brandOf(deps), {
    form: target(visited, 'consent'),
    switchUser: target(visited, 'switch'),
    client: {
      name: client.clientName ?? client.clientId,
      redirectUri: redirectUriOf(interaction),
      isVerified: row.registered_by === 'admin',
      logoUrl: client.logoUri ?? null,
      tosUrl: client.tosUri ?? null,
      policyUrl: client.policyUri ?? null,
    },
    user: { username: user.username, email: user.email },
    scopes: withOfflineAccess(client, await scopesOf(visited, user.id)),
  });
  sendPage(deps, ctx, html, { ...shown(visited), imageUrls: client.logoUri ? [client.logoUri] : [] });
}

// What the page shows is what is missing; what was allowed before stands beside it.
async function scopesOf({ deps, interaction, client }: Visit, user_id: string) {
  const missing = missingOf(interaction);
  const known = await findConsentedScopes(deps, user_id, client.clientId, interaction.params);
  const [fresh = [], before = []] = await scopeViewsOf(deps.db, [missing, known]);
  return [
    ...fresh.map((scope) => ({ ...scope, isNew: true })),
    ...before.map((scope) => ({ ...scope, isNew: false })),
  ];
}

// A client that gets a refresh token keeps its access while the user is away, whether or not it asked for the scope that
// says so.
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

// Stored is what this interaction's page showed, whatever other page is open in the same browser.
export async function decide(visited: Visit): Promise<void> {
  const { deps, ctx, interaction, client } = visited;
  if (field(ctx, 'decision') !== 'allow') return await cancel(visited);
  const user_id = interaction.session?.accountId;
  if (!user_id || interaction.prompt.name !== 'consent') return sendErrorPage(deps, ctx, 'page_expired', 400);
  const source = requestSourceOf(ctx);
  await keepDocumentClient(deps.db, clientRow(client), source);
  const granted = await addConsent(deps.db, user_id, client.clientId, missingOf(interaction));
  if (!granted) return sendErrorPage(deps, ctx, 'page_expired', 400);
  await resumeInteraction(visited, { consent: {} }, true);
}
