// The login and consent pages of an authorization request. The engine keeps the request; what it waits for is decided
// here, and it goes on when we answer.
import Router from '@koa/router';
import type { Context } from 'koa';
import { errors, type Interaction, type Provider } from 'oidc-provider';
import { addConsent, type Granted } from '../../core/actions/consents.ts';
import { keepDocumentClient } from '../../core/clients/document_clients.ts';
import type { Deps } from '../../core/deps.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import { endBrowserSession } from '../../core/sessions/browser_sessions.ts';
import { findUser } from '../../core/users/users.ts';
import { digest } from '../../lib/crypto.ts';
import { renderConsent } from '../../pages/consent.ts';
import { type LoginProblem, renderLogin } from '../../pages/login.ts';
import { passwordAcr } from '../configuration.ts';
import { clientRow } from '../request/context.ts';
import { findConsentedScopes } from '../request/grant.ts';
import { saysRefresh, scopeViewsOf } from './consent_scopes.ts';
import {
  brandOf,
  csrfToken,
  explainUnavailable,
  field,
  isCsrfToken,
  path,
  readForm,
  redirect,
  showError,
  showPage,
} from './html.ts';
import { hasLedOn, reopen } from './repeated_forms.ts';
import { statusOf, tryPassword } from './typed_password.ts';

type EngineClient = NonNullable<Awaited<ReturnType<Provider['Client']['find']>>>;

/** One visit to a page of an interaction: what the engine asks, and on whose behalf. */
interface Visit {
  deps: Deps;
  provider: Provider;
  ctx: Context;
  interaction: Interaction;
  client: EngineClient;
}

/** The routes of the pages. `provider` is the engine of the moment. */
export function interactionRoutes(deps: Deps, provider: () => Provider): Router {
  const router = new Router({ prefix: '/interaction/:uid' });
  const form = readForm(deps);
  router.use(explainUnavailable(deps));
  router.get('/', visit(deps, provider, show));
  router.post('/login', form, visit(deps, provider, whenGenuine(logIn)));
  router.post('/consent', form, visit(deps, provider, whenGenuine(decide)));
  router.post('/switch', form, visit(deps, provider, whenGenuine(switchUser)));
  router.post('/cancel', form, visit(deps, provider, whenGenuine(cancel)));
  return router;
}

type Step = (visit: Visit) => Promise<void>;

// The cookie names the interaction and the path must name the same one: with two requests open in one browser, a form
// acts on the one that its page showed.
function visit(deps: Deps, provider: () => Provider, step: Step) {
  return async (ctx: Context): Promise<void> => {
    const engine = provider();
    try {
      const interaction = await engine.interactionDetails(ctx.req, ctx.res);
      const client = await engine.Client.find(String(interaction.params.client_id));
      if (interaction.uid !== ctx.params.uid || !client)
        throw new errors.SessionNotFound('another interaction');
      await step({ deps, provider: engine, ctx, interaction, client });
    } catch (error) {
      if (!(error instanceof errors.SessionNotFound)) throw error;
      showError(deps, ctx, 'page_expired', 400);
    }
  };
}

function whenGenuine(step: Step): Step {
  return async (visited) => {
    const { deps, ctx, interaction } = visited;
    if (isCsrfToken(deps, interaction.uid, field(ctx, 'csrf'))) return await step(visited);
    showError(deps, ctx, 'form_expired', 403);
  };
}

// A page that has led on can be sent again for a moment, but not opened again.
async function show(visited: Visit): Promise<void> {
  if (hasLedOn(visited.interaction)) return showError(visited.deps, visited.ctx, 'page_expired', 400);
  if (visited.interaction.prompt.name === 'login') await showLogin(visited);
  else if (visited.interaction.prompt.name === 'consent') await showConsent(visited);
  else throw new Error(`the engine asks for ${visited.interaction.prompt.name}, which we have no page for`);
}

async function showLogin(visited: Visit, problem?: LoginProblem, typed?: string): Promise<void> {
  const { deps, ctx, interaction, client } = visited;
  const signedIn = interaction.session?.accountId;
  const known = signedIn ? (await findUser(deps.db, signedIn))?.username : undefined;
  const hint = typed ?? interaction.params.login_hint ?? known;
  const html = renderLogin(brandOf(deps), {
    form: target(visited, 'login'),
    cancel: target(visited, 'cancel'),
    client: {
      name: client.clientName ?? client.clientId,
      redirectUri: redirectUriOf(interaction),
      isVerified: clientRow(client).registered_by === 'admin',
    },
    isAgain: signedIn !== undefined && !interaction.prompt.reasons.includes('user_inactive'),
    ...(typeof hint === 'string' ? { username: hint.slice(0, 254) } : {}),
    ...(problem ? { problem } : {}),
  });
  showPage(deps, ctx, html, { ...shown(visited), status: statusOf(problem) });
}

async function logIn(visited: Visit): Promise<void> {
  const { deps, ctx, client } = visited;
  const login = field(ctx, 'username');
  const tried = await tryPassword(deps, ctx, {
    login,
    password: field(ctx, 'password'),
    client_id: client.clientId,
  });
  if ('problem' in tried) return await showLogin(visited, tried.problem, login);
  const { user_id: accountId, proof, epoch } = tried;
  // The moment of the proof and not that of the last page: a consent page may be open for an hour.
  const ts = Math.floor(Date.now() / 1000);
  await goOn(visited, { login: { accountId, proof, epoch, acr: passwordAcr, amr: ['pwd'], ts } });
}

async function showConsent(visited: Visit): Promise<void> {
  const { deps, ctx, interaction, client } = visited;
  const user = await findUser(deps.db, interaction.session?.accountId ?? '');
  if (!user) return showError(deps, ctx, 'page_expired', 400);
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
    scopes: withRefresh(client, await scopesOf(visited, user.id)),
  });
  showPage(deps, ctx, html, { ...shown(visited), imageUrls: client.logoUri ? [client.logoUri] : [] });
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
function withRefresh(client: EngineClient, scopes: Awaited<ReturnType<typeof scopesOf>>) {
  if (saysRefresh(scopes) || !client.grantTypeAllowed('refresh_token')) return scopes;
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
async function decide(visited: Visit): Promise<void> {
  const { deps, ctx, interaction, client } = visited;
  if (field(ctx, 'decision') !== 'allow') return await cancel(visited);
  const user_id = interaction.session?.accountId;
  if (!user_id || interaction.prompt.name !== 'consent') return showError(deps, ctx, 'page_expired', 400);
  const source = requestSourceOf(ctx);
  await keepDocumentClient(deps.db, clientRow(client), source);
  const granted = await addConsent(deps.db, user_id, client.clientId, missingOf(interaction));
  if (!granted) return showError(deps, ctx, 'page_expired', 400);
  await goOn(visited, { consent: {} }, true);
}

// Somebody else's browser session ends here, with all that was opened in it, as when they sign out themselves; the
// request, however it came, goes on with the login page.
async function switchUser({ deps, ctx, interaction }: Visit): Promise<void> {
  const { accountId, uid } = interaction.session ?? {};
  if (accountId && uid) {
    const ending = {
      reason: 'logout',
      actor: 'user',
      actor_id: accountId,
      source: requestSourceOf(ctx),
    } as const;
    await endBrowserSession(deps.db, accountId, digest(uid), ending);
  }
  interaction.session = undefined;
  interaction.prompt = { name: 'login', reasons: ['login_prompt'], details: {} };
  // Both are times of the engine's.
  await interaction.save(interaction.exp - Math.floor(Date.now() / 1000));
  redirect(ctx, path(deps, `/interaction/${interaction.uid}`));
}

async function cancel(visited: Visit): Promise<void> {
  await goOn(visited, { error: 'access_denied', error_description: 'the user said no' });
}

async function goOn(
  { provider, ctx, interaction }: Visit,
  result: Parameters<Provider['interactionResult']>[2],
  merge = false,
): Promise<void> {
  const returnTo = await provider.interactionResult(ctx.req, ctx.res, result, {
    mergeWithLastSubmission: merge,
  });
  reopen(ctx, provider, interaction);
  redirect(ctx, returnTo);
}

function target({ deps, interaction }: Visit, action: string): { action: string; csrf: string } {
  return {
    action: path(deps, `/interaction/${interaction.uid}/${action}`),
    csrf: csrfToken(deps, interaction.uid),
  };
}

// Forms of these pages end at the client's redirect URI, by way of ours.
function shown({ interaction }: Visit): { formTargets: string[] } {
  const redirectUri = redirectUriOf(interaction);
  return { formTargets: redirectUri ? [redirectUri] : [] };
}

// None in the device flow.
function redirectUriOf({ params }: Interaction): string | null {
  const { redirect_uri } = params as { redirect_uri?: string };
  return redirect_uri ?? null;
}
